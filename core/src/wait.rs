//! Waits between attempts, with jitter, so that clients that lost a server together do not return to it together.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::random::random;

/// Waits that grow at random after each failure, between the shortest and three times the previous one.
///
/// This is decorrelated jitter, as in Finagle's `Backoff.decorrelatedJittered`.
///
/// ```
/// use std::time::Duration;
/// use micro_core::wait::Backoff;
///
/// let mut backoff = Backoff::up_to(Duration::from_secs(3));
/// let wait = backoff.next_wait();
/// assert!(wait >= Duration::from_millis(50) && wait < Duration::from_millis(150));
/// backoff.reset(); // The attempt succeeded.
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    last: Duration,
}

impl Backoff {
    /// Waits of at least `min` and at most `max`.
    pub const fn between(min: Duration, max: Duration) -> Self {
        Backoff {
            min,
            max,
            last: min,
        }
    }

    /// Waits of at least 50 ms and at most `max`, for reconnecting to a server.
    pub const fn up_to(max: Duration) -> Self {
        Backoff::between(Duration::from_millis(50), max)
    }

    /// The longest wait.
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// Returns the wait after another failure.
    pub fn next_wait(&mut self) -> Duration {
        self.next_wait_by(random())
    }

    /// Returns the wait after another failure, for a given random number.
    pub fn next_wait_by(&mut self, random: u64) -> Duration {
        let span = (self.last * 3).saturating_sub(self.min).as_nanos() as u64;
        let wait = self.min + Duration::from_nanos(random % span.max(1));
        self.last = wait.min(self.max);
        self.last
    }

    /// Returns to the shortest wait, after a success.
    pub fn reset(&mut self) {
        self.last = self.min;
    }
}

/// Waits of 5 ms to 200 ms, for calling a node again.
impl Default for Backoff {
    fn default() -> Self {
        Backoff::between(Duration::from_millis(5), Duration::from_millis(200))
    }
}

/// A random duration from zero to just below `max`; zero if `max` is zero.
pub fn jitter(max: Duration) -> Duration {
    let max = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random() % max.max(1))
}

/// Waits until `deadline`, or forever without one.
pub async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_their_bounds_and_restart() {
        let (min, max) = (Duration::from_millis(5), Duration::from_millis(200));
        let mut backoff = Backoff::between(min, max);
        for _ in 0..50 {
            let before = backoff.last;
            let wait = backoff.next_wait();
            assert!((min..=max).contains(&wait) && wait < before * 3, "{wait:?}");
        }
        for _ in 0..20 {
            backoff.next_wait_by(14_999_999);
        }
        assert!(backoff.last > min);
        backoff.reset();
        assert_eq!(backoff.next_wait_by(0), min);
        assert!(backoff.next_wait() < 3 * min);
    }

    #[test]
    fn jitter_is_below_its_bound() {
        let max = Duration::from_nanos(7);
        assert!((0..100).all(|_| jitter(max) < max));
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
    }
}
