//! What a server has done: counts and latencies by endpoint.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::{time::Nanos, worker};

/// Threads that count apart from each other, so that no cache line is passed around a call.
const SHARDS: usize = 4;
/// Buckets of each power of two.
const STEPS: usize = 8;
/// Powers of two of nanoseconds, up to about five hours.
const OCTAVES: usize = 44;

/// The counts of one endpoint.
#[derive(Debug)]
pub struct EndpointStats {
    shards: [Shard; SHARDS],
    in_flight: AtomicUsize,
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    executed: AtomicU64,
    failed: AtomicU64,
    latency: [AtomicU64; STEPS * OCTAVES],
}

impl Default for EndpointStats {
    fn default() -> Self {
        EndpointStats {
            shards: std::array::from_fn(|_| Shard {
                executed: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                latency: std::array::from_fn(|_| AtomicU64::new(0)),
            }),
            in_flight: AtomicUsize::new(0),
        }
    }
}

/// Which bucket a latency falls into: eight to a power of two, so within 12.5 %.
fn bucket(nanos: Nanos) -> usize {
    let octave = nanos.max(8).ilog2() as usize;
    let step = (nanos.max(8) >> (octave - 3)) as usize & (STEPS - 1);
    (octave * STEPS + step).min(STEPS * OCTAVES - 1)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Nanos {
    let (octave, step) = (bucket / STEPS, (bucket % STEPS) as u64);
    let width = 1u64 << octave.saturating_sub(3);
    (1u64 << octave) + step * width + width / 2
}

impl EndpointStats {
    /// Counts an answered request, and how long it took if that was measured.
    pub(crate) fn record(&self, latency: Option<Nanos>, failed: bool) {
        let shard = &self.shards[worker::current() % SHARDS];
        shard.executed.fetch_add(1, Relaxed);
        if failed {
            shard.failed.fetch_add(1, Relaxed);
        }
        if let Some(latency) = latency {
            shard.latency[bucket(latency)].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Requests answered, well or not.
    pub fn executed(&self) -> u64 {
        self.sum(|shard| &shard.executed)
    }

    /// Requests answered with an error.
    pub fn failed(&self) -> u64 {
        self.sum(|shard| &shard.failed)
    }

    /// Requests at work that did not end at their first poll.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    fn sum(&self, of: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards
            .iter()
            .map(|shard| of(shard).load(Relaxed))
            .sum()
    }

    /// The latency in microseconds below which `quantile` of the answers that were timed stayed; 0
    /// when there is none.
    pub fn latency_us(&self, quantile: f64) -> f64 {
        let counts: Vec<u64> = (0..STEPS * OCTAVES)
            .map(|i| self.sum(|shard| &shard.latency[i]))
            .collect();
        let total: u64 = counts.iter().sum();
        let rank = (total as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= rank.max(1) {
                return middle(bucket) as f64 / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_an_eighth() {
        let stats = EndpointStats::default();
        for micros in 1..=1000 {
            stats.record(Some(micros * 1000), micros % 10 == 0);
        }
        assert_eq!((stats.executed(), stats.failed()), (1000, 100));
        for (quantile, expected) in [(0.5, 500.0), (0.99, 990.0)] {
            let got = stats.latency_us(quantile);
            assert!((got - expected).abs() < expected / 8.0, "{quantile}: {got}");
        }
        assert_eq!(EndpointStats::default().latency_us(0.5), 0.0);
    }
}
