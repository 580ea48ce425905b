//! Counts and latencies of an endpoint.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use crate::{error::Code, time::Nanos, worker};

/// Threads that count apart from each other, so that no cache line is passed around a call.
const SHARDS: usize = 4;
/// Steps of each power of two.
const STEPS: usize = 8;
/// Powers of two of nanoseconds, up to about five hours.
const OCTAVES: usize = 44;
/// Ranges of latency, before `BOUNDS` divide some of them.
const RANGES: usize = STEPS * OCTAVES;

/// Upper bounds of the buckets of `/metrics`, in nanoseconds: from 5 ms on those that OpenTelemetry's RPC
/// conventions recommend, and finer ones below, where most calls end.
pub(crate) const BOUNDS: [Nanos; 19] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// Counters of latency: a range that contains a bound has two.
const CELLS: usize = RANGES + BOUNDS.len();

/// By range: the number of bounds below it.
const BOUNDS_BELOW: [u8; RANGES] = {
    let mut below = [0; RANGES];
    let mut bound = 0;
    while bound < BOUNDS.len() {
        let mut next = range(BOUNDS[bound]) + 1;
        // Otherwise a range would need three counters.
        assert!(bound == 0 || range(BOUNDS[bound - 1]) < range(BOUNDS[bound]));
        while next < RANGES {
            below[next] += 1;
            next += 1;
        }
        bound += 1;
    }
    below
};

/// The range of a latency: eight to a power of two, so within 12.5 %.
const fn range(nanos: Nanos) -> usize {
    let nanos = if nanos < 8 { 8 } else { nanos };
    let octave = nanos.ilog2() as usize;
    let step = (nanos >> (octave - 3)) as usize & (STEPS - 1);
    let range = octave * STEPS + step;
    if range < RANGES { range } else { RANGES - 1 }
}

/// The counter of a latency.
fn cell(nanos: Nanos) -> usize {
    let range = range(nanos);
    let below = usize::from(BOUNDS_BELOW[range]);
    let is_above = BOUNDS.get(below).is_some_and(|bound| nanos > *bound);
    range + below + usize::from(is_above)
}

/// The first counter of latencies above a bound.
fn end(bound: usize) -> usize {
    range(BOUNDS[bound]) + bound + 1
}

/// The middle of the range of a counter.
fn middle(cell: usize) -> Nanos {
    let range = cell
        - (0..BOUNDS.len())
            .filter(|bound| end(*bound) <= cell)
            .count();
    let (octave, step) = (range / STEPS, (range % STEPS) as u64);
    let width = 1u64 << octave.saturating_sub(3);
    (1u64 << octave) + step * width + width / 2
}

/// How a request was timed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timing {
    /// The time was measured.
    Exact(Nanos),
    /// The time was measured, and stands for the requests since the last measured one.
    Sampled(Nanos),
    /// The time was not measured.
    Skipped,
}

/// The counts of one endpoint.
#[derive(Debug, Default)]
pub struct EndpointStats {
    succeeded: Sharded,
    /// By the number of the code, from 1 on. Most endpoints fail with few of the codes.
    failed: [OnceLock<Box<Sharded>>; 16],
    in_flight: AtomicUsize,
}

#[derive(Debug, Default)]
struct Sharded([Shard; SHARDS]);

/// The requests of one result that one thread in `SHARDS` answered.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    executed: AtomicU64,
    /// Requests that `cells` has; those since the last sample are missing.
    timed: AtomicU64,
    nanos: AtomicU64,
    cells: [AtomicU64; CELLS],
}

impl Default for Shard {
    fn default() -> Self {
        Shard {
            executed: AtomicU64::new(0),
            timed: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            cells: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Sharded {
    #[inline]
    fn record(&self, timing: Timing) {
        let shard = &self.0[worker::current() % SHARDS];
        let executed = shard.executed.fetch_add(1, Relaxed) + 1;
        let (nanos, requests) = match timing {
            Timing::Skipped => return,
            Timing::Sampled(nanos) => {
                // `cells` grows by what `timed` grows, whatever other threads do meanwhile.
                let timed = shard.timed.fetch_max(executed, Relaxed);
                (nanos, executed.saturating_sub(timed))
            }
            Timing::Exact(nanos) => {
                shard.timed.fetch_add(1, Relaxed);
                (nanos, 1)
            }
        };
        shard.nanos.fetch_add(nanos * requests, Relaxed);
        shard.cells[cell(nanos)].fetch_add(requests, Relaxed);
    }

    fn sum(&self, of: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        let shards = self.0.iter();
        shards.map(|shard| of(shard).load(Relaxed)).sum()
    }

    fn cell(&self, number: usize) -> u64 {
        self.sum(|shard| &shard.cells[number])
    }
}

/// The latencies of the requests of one result.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    not(feature = "http"),
    allow(dead_code, reason = "`/metrics` reads it")
)]
pub(crate) struct Latencies {
    /// By bucket: up to each of `BOUNDS`, and above the last.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    pub(crate) sum: Nanos,
}

impl EndpointStats {
    /// Counts an answered request; `failure` is the code of the error that it was answered with.
    pub(crate) fn record(&self, timing: Timing, failure: Option<Code>) {
        match failure {
            None => self.succeeded.record(timing),
            Some(code) => {
                let counts = &self.failed[usize::from(code.number()) - 1];
                counts.get_or_init(Box::default).record(timing);
            }
        }
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Requests answered, successfully or with an error.
    pub fn executed(&self) -> u64 {
        let results = self.results();
        results.map(|(_, counts)| counts.sum(|s| &s.executed)).sum()
    }

    /// Requests answered with an error.
    pub fn failed(&self) -> u64 {
        let failed = self.results().filter(|(code, _)| code.is_some());
        failed.map(|(_, counts)| counts.sum(|s| &s.executed)).sum()
    }

    /// Requests that did not end at their first poll and have not ended yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// The counts of requests that succeeded, and of those that failed by code.
    fn results(&self) -> impl Iterator<Item = (Option<Code>, &Sharded)> {
        let failed = self.failed.iter().zip(1..);
        let failed = failed.filter_map(|(counts, number)| {
            Some((Some(Code::from_number(number)), &**counts.get()?))
        });
        std::iter::once((None, &self.succeeded)).chain(failed)
    }

    /// The latencies of requests that succeeded, and of those that failed by code.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "`/metrics` reads it")
    )]
    pub(crate) fn latencies(&self) -> Vec<(Option<Code>, Latencies)> {
        let latencies = |counts: &Sharded| {
            let mut cells = 0..CELLS;
            let mut ends = (0..BOUNDS.len()).map(end).chain([CELLS]);
            Latencies {
                counts: std::array::from_fn(|_| {
                    let end = ends.next().unwrap_or(CELLS);
                    let bucket = cells.start..end;
                    cells.start = end;
                    bucket.map(|number| counts.cell(number)).sum()
                }),
                sum: counts.sum(|shard| &shard.nanos),
            }
        };
        let results = self.results();
        results
            .map(|(code, counts)| (code, latencies(counts)))
            .collect()
    }

    /// The latency in microseconds that `quantile` of the requests did not exceed, within an eighth; 0 without requests.
    pub fn latency_us(&self, quantile: f64) -> f64 {
        let of_cell = |number| self.results().map(|(_, counts)| counts.cell(number)).sum();
        let counts: Vec<u64> = (0..CELLS).map(of_cell).collect();
        let total: u64 = counts.iter().sum();
        let rank = (total as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (cell, count) in counts.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= rank.max(1) {
                return middle(cell) as f64 / 1000.0;
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
            let failure = (micros % 10 == 0).then_some(Code::Internal);
            stats.record(Timing::Sampled(micros * 1000), failure);
        }
        assert_eq!((stats.executed(), stats.failed()), (1000, 100));
        for (quantile, expected) in [(0.5, 500.0), (0.99, 990.0)] {
            let got = stats.latency_us(quantile);
            assert!((got - expected).abs() < expected / 8.0, "{quantile}: {got}");
        }
        assert_eq!(EndpointStats::default().latency_us(0.5), 0.0);
    }

    #[test]
    fn bucket_has_latencies_up_to_and_including_its_bound() {
        for (bucket, bound) in BOUNDS.into_iter().enumerate() {
            let stats = EndpointStats::default();
            stats.record(Timing::Exact(bound), None);
            stats.record(Timing::Exact(bound + 1), None);
            let mut expected = [0; BOUNDS.len() + 1];
            (expected[bucket], expected[bucket + 1]) = (1, 1);
            let sum = 2 * bound + 1;
            let latencies = Latencies {
                counts: expected,
                sum,
            };
            assert_eq!(stats.latencies(), [(None, latencies)]);
        }
    }

    #[test]
    fn cells_are_in_the_order_of_latencies() {
        let mut last = 0;
        for nanos in (0..45)
            .flat_map(|octave| (0..64).map(move |step| (1u64 << octave) + ((step << octave) >> 6)))
        {
            let cell = cell(nanos);
            assert!((last..CELLS).contains(&cell), "{nanos}");
            last = cell;
        }
        assert_eq!((cell(0), cell(Nanos::MAX)), (cell(8), CELLS - 1));
    }

    #[test]
    fn sample_stands_for_requests_skipped_since_the_last() {
        let stats = EndpointStats::default();
        let count = |stats: &EndpointStats| {
            let [(None, latencies)] = &stats.latencies()[..] else {
                panic!("none failed");
            };
            (latencies.counts.iter().sum::<u64>(), latencies.sum)
        };
        stats.record(Timing::Sampled(10), None);
        for _ in 0..7 {
            stats.record(Timing::Skipped, None);
        }
        assert_eq!(count(&stats), (1, 10));
        // It was timed alone, and stands for no other request.
        stats.record(Timing::Exact(1000), None);
        assert_eq!(count(&stats), (2, 1010));
        stats.record(Timing::Sampled(20), None);
        assert_eq!(count(&stats), (10, 1010 + 8 * 20));
        assert_eq!(stats.executed(), 10);
    }

    #[test]
    fn failures_are_counted_by_code() {
        let stats = EndpointStats::default();
        for code in [Code::NotFound, Code::Internal, Code::NotFound] {
            stats.record(Timing::Exact(5), Some(code));
        }
        let latencies = stats.latencies();
        let counts = latencies.iter().map(|(code, l)| (*code, l.counts[0]));
        let expected = [
            (None, 0),
            (Some(Code::NotFound), 2),
            (Some(Code::Internal), 1),
        ];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
        assert_eq!((stats.executed(), stats.failed()), (3, 3));
    }
}
