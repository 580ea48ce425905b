//! Figures of calls.

use std::{ops::AddAssign, time::Duration};

use hdrhistogram::Histogram;

/// The resolution of latencies. A latency above the maximum counts as the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Two digits, up to a minute; fits into the processor's cache.
    Low,
    /// Three digits, up to ten minutes.
    High,
}

impl Precision {
    fn histogram(self) -> Histogram<u64> {
        let (minutes, digits) = match self {
            Precision::Low => (1, 2),
            Precision::High => (10, 3),
        };
        let histogram = Histogram::new_with_bounds(1, minutes * 60_000_000_000, digits);
        histogram.expect("the bounds are in order and the digits at most five")
    }
}

/// Calls, how many failed, and how long they took.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Calls without a latency.
    untimed: u64,
    pub(crate) failed: u64,
    /// In nanoseconds.
    latency: Histogram<u64>,
    /// In nanoseconds, and exact.
    longest: u64,
    pub(crate) elapsed: Duration,
}

impl Counts {
    /// Counts without calls.
    pub fn new(precision: Precision) -> Self {
        Counts {
            untimed: 0,
            failed: 0,
            latency: precision.histogram(),
            longest: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// The number of calls that ended, failed ones included.
    pub fn calls(&self) -> u64 {
        self.untimed + self.latency.len()
    }

    /// The number of calls that failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// The time in which they were counted.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Calls per second.
    pub fn rate(&self) -> f64 {
        self.calls() as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }

    /// A percentile (0 to 100) of the latencies, those of failed calls included; zero without any.
    pub fn percentile(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_percentile(percentile))
    }

    /// The longest latency, exactly.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = latency.as_nanos() as u64;
        self.latency.saturating_record(nanos);
        if nanos > self.longest {
            self.longest = nanos;
        }
    }

    pub(crate) fn count(&mut self) {
        self.untimed += 1;
    }

    /// Resets the counts, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.untimed = 0;
        self.latency.reset();
        self.longest = 0;
    }
}

/// Adds the calls and the time of later counts.
impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.untimed += other.untimed;
        self.failed += other.failed;
        self.latency += &other.latency;
        self.longest = self.longest.max(other.longest);
        self.elapsed += other.elapsed;
    }
}
