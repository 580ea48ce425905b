//! A timer for the calls of an open loop, accurate to some tens of microseconds.
//!
//! The runtime's own timer has a resolution of a millisecond. It would begin ten calls of a 10,000/s load
//! at once, and the rounding would appear as latency of the service. So a thread waits for
//! each arrival and notifies the runtime, which computes the calls that are due. There is
//! no queue between them: a late notification merges with the next.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// An interval for loads of any rate: at most 5,000 notifications per second.
pub const NOTIFY_INTERVAL: Duration = Duration::from_micros(200);

/// A timer for the calls of an open loop. Time begins with [`Pacer::start`].
pub struct Pacer<A> {
    start: Instant,
    arrivals: A,
    /// The next call, unless the arrivals have ended.
    due: Option<Instant>,
    /// The time of the last notification: calls due before it can begin.
    now: Instant,
    timer: TimerThread,
}

/// The thread, which ends when this is dropped.
struct TimerThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    due: Notify,
    stopped: AtomicBool,
}

impl<A: Iterator<Item = Duration> + Clone + Send + 'static> Pacer<A> {
    /// Starts the thread that waits for `arrivals`, which are counted from now and in order.
    ///
    /// `interval` is the minimum time between two notifications. Calls due within it begin together,
    /// the earlier ones late. With zero, each arrival has its own notification.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(mut arrivals: A, interval: Duration) -> io::Result<Self> {
        let start = Instant::now();
        let shared = Arc::new(Shared::default());
        let (timer, copy) = (shared.clone(), arrivals.clone());
        let thread = thread::Builder::new()
            .name("pacer".into())
            .spawn(move || timer.run(start, copy, interval))?;
        Ok(Pacer {
            start,
            due: arrivals.next().map(|due| start + due),
            arrivals,
            now: start,
            timer: TimerThread {
                shared,
                thread: Some(thread),
            },
        })
    }
}

impl<A: Iterator<Item = Duration>> Pacer<A> {
    /// Waits for the next call, and returns the time when it was due. `None` at the end of the arrivals.
    ///
    /// Cancel safe: dropping the future loses no call.
    pub async fn next(&mut self) -> Option<Instant> {
        let due = self.due?;
        while due > self.now {
            self.timer.shared.due.notified().await;
            self.now = Instant::now();
        }
        self.due = self.arrivals.next().map(|due| self.start + due);
        Some(due)
    }
}

impl Shared {
    fn run(&self, start: Instant, arrivals: impl Iterator<Item = Duration>, interval: Duration) {
        disable_timer_slack();
        // A call that is due at the start needs no notification.
        let mut notified = start;
        for due in arrivals {
            let due = start + due;
            // The last notification was for this call as well.
            if due <= notified {
                continue;
            }
            match self.wait(due.max(notified + interval)) {
                Some(now) => notified = now,
                None => return,
            }
            self.due.notify_one();
        }
    }

    /// Waits until `until`, and returns the time then; `None` once stopped.
    fn wait(&self, until: Instant) -> Option<Instant> {
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            let now = Instant::now();
            if now >= until {
                return Some(now);
            }
            thread::park_timeout(until - now);
        }
    }
}

/// Sets the timer slack of this thread to 1 ns. Linux delays each wait by up to the slack, 50 µs by default.
fn disable_timer_slack() {
    // If the system refuses, calls begin that much later.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(Some(std::num::NonZeroU64::MIN));
}

impl Drop for TimerThread {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and ends at once.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConstantRate, Poisson};

    #[tokio::test]
    async fn calls_come_in_order_and_not_before_they_are_due() {
        let mut pacer = Pacer::start(Poisson::new(5_000.0), Duration::ZERO).unwrap();
        let mut last = pacer.start;
        for expected in Poisson::new(5_000.0).take(500) {
            let due = pacer.next().await.unwrap();
            assert!(due <= Instant::now() && due >= last);
            assert_eq!(due - pacer.start, expected);
            last = due;
        }
    }

    #[tokio::test]
    async fn calls_within_an_interval_come_together() {
        let interval = Duration::from_millis(20);
        let mut pacer = Pacer::start(ConstantRate::new(1_000.0), interval).unwrap();
        let mut waits = 0;
        let mut now = pacer.now;
        for _ in 0..100 {
            pacer.next().await.unwrap();
            waits += u32::from(pacer.now != now);
            now = pacer.now;
        }
        assert!((1..=5).contains(&waits), "{waits} waits in 100 ms");
    }

    #[tokio::test]
    async fn dropped_pacer_ends_its_thread_at_once() {
        let arrivals = ConstantRate::new(1.0 / 3600.0);
        let mut pacer = Pacer::start(arrivals, NOTIFY_INTERVAL).unwrap();
        assert_eq!(pacer.next().await, Some(pacer.start));
        let shared = Arc::downgrade(&pacer.timer.shared);
        drop(pacer);
        // The thread holds a reference while it runs.
        assert_eq!(shared.strong_count(), 0);
    }
}
