//! Handles of series, which handlers count with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Bounds for a unit other than seconds, as OpenTelemetry recommends.
const BOUNDS: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10_000.0,
];

/// Bounds for seconds, as OpenTelemetry recommends.
const BOUNDS_OF_SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The given bounds, or the default for the unit; an error text for bounds that do not rise.
pub(super) fn bounds(given: Option<Vec<f64>>, unit: &str) -> Result<Vec<f64>, &'static str> {
    let default: &[f64] = match unit {
        "seconds" => &BOUNDS_OF_SECONDS,
        _ => &BOUNDS,
    };
    let bounds = given.unwrap_or_else(|| default.to_vec());
    let rise = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    match rise && bounds.iter().all(|bound| bound.is_finite()) {
        true => Ok(bounds),
        false => Err("bounds must be finite and each above the last"),
    }
}

/// A number that only grows. Clones count together; none takes a lock.
#[derive(Clone, Debug)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds a number.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    /// The number counted so far.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that rises and falls. Clones share it; none takes a lock.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Adds to the value; a negative number takes from it.
    pub fn add(&self, number: f64) {
        add(&self.0, number);
    }

    /// The value now; 0 at first.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// A distribution of values. Clones share it; none takes a lock.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
pub(super) struct Buckets {
    pub(super) bounds: Vec<f64>,
    /// One more than bounds.
    pub(super) counts: Vec<AtomicU64>,
    /// Bits of a float.
    pub(super) sum: AtomicU64,
}

impl Histogram {
    /// Counts a value. NaN is ignored.
    pub fn record(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let Buckets {
            bounds,
            counts,
            sum,
        } = &*self.0;
        let bucket = bounds.partition_point(|bound| *bound < value);
        counts[bucket].fetch_add(1, Relaxed);
        add(sum, value);
    }

    /// Counts a duration in seconds.
    pub fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64());
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// The sum of the values.
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.0.sum.load(Relaxed))
    }
}

/// Adds to the float whose bits these are.
fn add(bits: &AtomicU64, number: f64) {
    let sum = |bits| Some((f64::from_bits(bits) + number).to_bits());
    let _ = bits.fetch_update(Relaxed, Relaxed, sum);
}

/// The state behind the handles of one series.
#[derive(Clone, Debug)]
pub enum Series {
    #[doc(hidden)]
    Counter(Counter),
    #[doc(hidden)]
    Gauge(Gauge),
    #[doc(hidden)]
    Histogram(Histogram),
}

impl Series {
    pub(super) fn new(kind: Kind, bounds: &[f64]) -> Self {
        match kind {
            Kind::Counter => Series::Counter(Counter(Arc::default())),
            Kind::Gauge => Series::Gauge(Gauge(Arc::default())),
            Kind::Histogram => Series::Histogram(Histogram(Arc::new(Buckets {
                bounds: bounds.to_vec(),
                counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
                sum: AtomicU64::new(0),
            }))),
        }
    }
}

#[cfg(feature = "http")]
impl Histogram {
    /// Bounds with the counts of their buckets; the last is infinite.
    pub(in crate::server) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Relaxed));
        bounds.zip(counts).collect()
    }
}

/// A handle that a registration returns.
pub trait Handle: Sized {
    #[doc(hidden)]
    const KIND: Kind;
    #[doc(hidden)]
    fn of(series: Series) -> Option<Self>;
}

macro_rules! handle {
    ($($name:ident),+) => {$(
        impl Handle for $name {
            const KIND: Kind = Kind::$name;

            fn of(series: Series) -> Option<Self> {
                match series {
                    Series::$name(handle) => Some(handle),
                    _ => None,
                }
            }
        }
    )+};
}
handle!(Counter, Gauge, Histogram);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauge_rises_and_falls() {
        let Series::Gauge(gauge) = Series::new(Kind::Gauge, &[]) else {
            panic!("it is a gauge");
        };
        gauge.set(2.5);
        gauge.add(1.0);
        gauge.clone().add(-3.0);
        assert_eq!(gauge.value(), 0.5);
    }

    #[test]
    fn histogram_counts_a_value_at_its_bound() {
        let Series::Histogram(histogram) = Series::new(Kind::Histogram, &[1.0, 2.0]) else {
            panic!("it is a histogram");
        };
        for value in [1.0, 1.5, 2.0, 7.0, f64::NAN] {
            histogram.record(value);
        }
        histogram.record_duration(Duration::from_millis(500));
        let counts = histogram.0.counts.iter().map(|count| count.load(Relaxed));
        assert_eq!(counts.collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 12.0));
    }
}
