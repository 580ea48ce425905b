//! Waits between tries, and chance in them: what lost a server together does not come back to it as one.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::random::random;

/// The first wait of a row.
const SHORTEST: Duration = Duration::from_millis(100);

/// Waits that double from one failure to the next, from 100 ms to a longest.
pub struct Backoff {
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits up to `longest`.
    pub fn up_to(longest: Duration) -> Self {
        let failures = 0;
        Backoff { longest, failures }
    }

    /// The wait after one more failure: half of it is certain, and as much again at most by chance.
    pub fn next(&mut self) -> Duration {
        let doubled = SHORTEST.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        let half = doubled.min(self.longest) / 2;
        half + part_of(half)
    }

    /// It went well: the next failure is a first one.
    pub fn end(&mut self) {
        self.failures = 0;
    }
}

/// A part of a duration, by chance.
pub fn part_of(most: Duration) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random() % most.max(1))
}

/// Waits until a time, or for ever.
pub async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::up_to(Duration::from_secs(1));
        for most in [100, 200, 400, 800, 1000, 1000] {
            let most = Duration::from_millis(most);
            let wait = backoff.next();
            assert!(most / 2 <= wait && wait < most, "{wait:?} of {most:?}");
        }
        backoff.end();
        assert!(backoff.next() < SHORTEST);
        assert_eq!(part_of(Duration::ZERO), Duration::ZERO);
    }
}
