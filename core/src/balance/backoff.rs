//! How long to wait before a node is asked again: decorrelated jitter, as Finagle's `Backoff` has it.

use std::time::Duration;

/// The first wait is at least this.
const START: Duration = Duration::from_millis(5);
/// And none is longer.
pub(super) const MOST: Duration = Duration::from_millis(200);

/// Waits that grow at random: each between the start and three times the last.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    last: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { last: START }
    }
}

impl Backoff {
    /// The next wait, given a random number.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let span = (self.last * 3).saturating_sub(START).as_nanos() as u64;
        let wait = START + Duration::from_nanos(random % span.max(1));
        self.last = wait.min(MOST);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_their_bounds_and_grow() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..50).map(|_| backoff.next(u64::MAX / 3)).collect();
        assert!(waits.iter().all(|wait| (START..=MOST).contains(wait)));
        let mut longest = Backoff::default();
        for _ in 0..20 {
            longest.next(14_999_999);
        }
        assert!(longest.last > START);
    }
}
