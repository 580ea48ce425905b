//! Peak-EWMA: an average of latencies that follows increases at once and decreases slowly.

use crate::{
    sync::{AtomicU64, Ordering},
    time::Nanos,
};

/// The time constant τ of the decay, from Finagle's `PeakEwma`.
const DECAY: f64 = 10e9;
/// After this long without a call, the latency is forgotten. go-zero forces a pick after 1 s,
/// kratos after 3 s.
pub(super) const FORGET: Nanos = 3_000_000_000;

/// A node's latency. Updates that race may lose a sample.
#[derive(Debug)]
pub(super) struct Latency {
    /// Nanoseconds, as the bits of an `f64`; 0 before the first sample.
    average: AtomicU64,
    updated: AtomicU64,
}

impl Latency {
    pub(super) fn new(now: Nanos) -> Self {
        Latency {
            average: AtomicU64::new(0),
            updated: AtomicU64::new(now),
        }
    }

    /// The latency at the last sample; 0 before the first.
    pub(super) fn last(&self) -> f64 {
        f64::from_bits(self.average.load(Ordering::Relaxed))
    }

    /// The time since the last sample.
    pub(super) fn age(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.updated.load(Ordering::Relaxed))
    }

    /// The latency now, decayed toward zero since the last sample.
    pub(super) fn decayed(&self, now: Nanos) -> f64 {
        self.last() * keep(self.age(now))
    }

    /// Adds a sample: at once if it is higher or the last is long ago, slowly if it is lower.
    pub(super) fn observe(&self, now: Nanos, took: f64) {
        let (last, age) = (self.last(), self.age(now));
        let average = if took >= last || age >= FORGET {
            took.max(1.0)
        } else {
            took + (last - took) * keep(age)
        };
        self.set(now, average);
    }

    /// Records that a call would have taken longer than this.
    pub(super) fn observe_at_least(&self, now: Nanos, took: f64) {
        if took > self.decayed(now) {
            self.set(now, took);
        }
    }

    /// Forgets all samples.
    pub(super) fn reset(&self, now: Nanos) {
        self.set(now, 0.0);
    }

    fn set(&self, now: Nanos, average: f64) {
        self.average.store(average.to_bits(), Ordering::Relaxed);
        self.updated.store(now, Ordering::Relaxed);
    }
}

/// About `exp(−elapsed / DECAY)`: the fourth power of `1 / (1 + y + y²/2)`, `y` being a quarter of
/// the exponent. Within 0.003 of the true value everywhere, for one division.
fn keep(elapsed: Nanos) -> f64 {
    let y = elapsed as f64 * (0.25 / DECAY);
    let root = 1.0 / (1.0 + y + 0.5 * y * y);
    let square = root * root;
    square * square
}
