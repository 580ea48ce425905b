//! Bounds the connections of watches: more watches than slots take turns.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::sleep,
};

/// How long a watch keeps its slot while others wait.
pub(super) const SLOT_DURATION: Duration = Duration::from_millis(500);

/// Slots for blocking queries, one a connection.
pub(super) struct WatchSlots {
    free: Semaphore,
    waiting: AtomicUsize,
    contended: Notify,
}

/// Counts a waiting watch; not counted any more when dropped.
struct WaitGuard<'a>(&'a AtomicUsize);

impl WatchSlots {
    pub(super) fn new(connections: usize) -> Self {
        WatchSlots {
            free: Semaphore::new(connections),
            waiting: AtomicUsize::new(0),
            contended: Notify::new(),
        }
    }

    /// Waits for a slot, first come, first served. Dropping the permit frees the slot.
    pub(super) async fn acquire(&self) -> SemaphorePermit<'_> {
        if let Ok(turn) = self.free.try_acquire() {
            return turn;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = WaitGuard(&self.waiting);
        self.contended.notify_one();
        self.free.acquire().await.expect("it is never closed")
    }

    /// Whether a watch waits for a slot.
    pub(super) fn is_contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns when the slot has lasted its time and another watch waits.
    pub(super) async fn expired(&self) {
        sleep(SLOT_DURATION).await;
        while !self.is_contended() {
            self.contended.notified().await;
        }
    }
}

impl Drop for WaitGuard<'_> {
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
    async fn slot_expires_only_while_another_watch_waits() {
        let slots = WatchSlots::new(1);
        let turn = slots.acquire().await;
        assert!(!is_ready(slots.expired()).await);
        let long = timeout(SLOT_DURATION * 100, slots.expired()).await;
        assert!(long.is_err(), "nobody waits");
        let begun = Instant::now();
        let first = async {
            slots.expired().await;
            assert!(slots.is_contended());
            drop(turn);
        };
        let ((), _second) = tokio::join!(first, slots.acquire());
        assert_eq!(begun.elapsed().as_millis(), SLOT_DURATION.as_millis());
        assert!(!slots.is_contended());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_gives_up_waits_no_more() {
        let slots = WatchSlots::new(1);
        let _turn = slots.acquire().await;
        assert!(timeout(SLOT_DURATION, slots.acquire()).await.is_err());
        assert!(!slots.is_contended());
    }
}
