//! Who may have a connection to wait on: watches beyond their number take turns.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::sleep,
};

/// How long a turn is when others wait for theirs.
pub(super) const TURN: Duration = Duration::from_millis(500);

/// Turns at a number of connections.
pub(super) struct Turns {
    free: Semaphore,
    waiting: AtomicUsize,
    wanted: Notify,
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl Turns {
    pub(super) fn new(connections: usize) -> Self {
        Turns {
            free: Semaphore::new(connections),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
        }
    }

    /// A turn, which lasts until it is dropped; first come, first served.
    pub(super) async fn take(&self) -> SemaphorePermit<'_> {
        if let Ok(turn) = self.free.try_acquire() {
            return turn;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.wanted.notify_one();
        self.free.acquire().await.expect("it is never closed")
    }

    /// Whether anybody waits for a turn.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns once this turn has lasted and somebody else waits for one.
    pub(super) async fn over(&self) {
        sleep(TURN).await;
        while !self.is_crowded() {
            self.wanted.notified().await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::time::{Instant, timeout};

    use super::*;

    async fn is_ready(future: impl Future<Output = ()>) -> bool {
        timeout(Duration::ZERO, future).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_only_when_another_waits() {
        let turns = Turns::new(1);
        let turn = turns.take().await;
        assert!(!is_ready(turns.over()).await);
        let long = timeout(TURN * 100, turns.over()).await;
        assert!(long.is_err(), "nobody waits");
        let begun = Instant::now();
        let first = async {
            turns.over().await;
            assert!(turns.is_crowded());
            drop(turn);
        };
        let ((), _second) = tokio::join!(first, turns.take());
        assert_eq!(begun.elapsed().as_millis(), TURN.as_millis());
        assert!(!turns.is_crowded());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_gives_up_waits_no_more() {
        let turns = Turns::new(1);
        let _turn = turns.take().await;
        assert!(timeout(TURN, turns.take()).await.is_err());
        assert!(!turns.is_crowded());
    }
}
