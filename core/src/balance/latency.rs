//! The latency of an endpoint's calls, from which the attempt timeout follows.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::time::Nanos;

/// Smoothed latency and its deviation, as TCP estimates its round trip (RFC 6298).
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// Nanoseconds; 0 before the first answer.
    mean: AtomicU64,
    deviation: AtomicU64,
}

/// The attempt timeout before any answer.
const INITIAL_TIMEOUT: Nanos = 250_000_000;
/// The shortest attempt timeout: below it, the pauses of a busy machine would look like dead nodes.
const MIN_TIMEOUT: Nanos = 50_000_000;

impl Latency {
    /// Records an answered call. Updates that race lose one sample.
    pub(super) fn record(&self, took: Nanos) {
        let mean = self.mean.load(Relaxed);
        if mean == 0 {
            self.mean.store(took.max(1), Relaxed);
            self.deviation.store(took / 2, Relaxed);
            return;
        }
        let deviation = self.deviation.load(Relaxed);
        let off = took.abs_diff(mean);
        self.deviation
            .store(deviation - deviation / 4 + off / 4, Relaxed);
        self.mean
            .store((mean - mean / 8 + took / 8).max(1), Relaxed);
    }

    /// Whether a call was answered.
    pub(super) fn is_known(&self) -> bool {
        self.mean.load(Relaxed) != 0
    }

    /// How long the `retry`th attempt waits for an answer before another node is asked.
    pub(super) fn attempt_timeout(&self, retry: u32) -> Nanos {
        let mean = self.mean.load(Relaxed);
        let base = if mean == 0 {
            INITIAL_TIMEOUT
        } else {
            let usual = mean.saturating_add(self.deviation.load(Relaxed).saturating_mul(4));
            usual.saturating_mul(4).max(MIN_TIMEOUT)
        };
        base.saturating_mul(1 << retry.min(8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempt_timeout_follows_latency_and_doubles_with_each_retry() {
        let latency = Latency::default();
        assert_eq!(latency.attempt_timeout(0), INITIAL_TIMEOUT);
        for _ in 0..100 {
            latency.record(200_000);
        }
        assert_eq!(latency.attempt_timeout(0), MIN_TIMEOUT);
        assert_eq!(latency.attempt_timeout(2), 4 * MIN_TIMEOUT);
        for _ in 0..100 {
            latency.record(400_000_000);
        }
        assert!(latency.attempt_timeout(0) > 1_500_000_000);
    }
}
