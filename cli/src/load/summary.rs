//! The figures of a load, for programs and for people.

use std::{collections::BTreeMap, fmt, time::Duration};

use micro_load::Counts;
use serde::Serialize;

/// Figures of calls. Latencies are in microseconds, to three digits; the longest is exact.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Failures by code.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) per_second: f64,
    pub(crate) p50_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) max_us: u64,
    /// Attempts after a first one that failed.
    pub(crate) retries: u64,
}

impl Summary {
    /// The figures of these calls; the caller adds errors and retries.
    pub(crate) fn of(counts: &Counts) -> Self {
        let micros = |latency: Duration| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let percentile = |percentile| micros(counts.percentile(percentile));
        Summary {
            calls: counts.calls(),
            failed: counts.failed(),
            errors: BTreeMap::new(),
            per_second: (counts.rate() * 10.0).round() / 10.0,
            p50_us: percentile(50.0),
            p90_us: percentile(90.0),
            p99_us: percentile(99.0),
            p999_us: percentile(99.9),
            max_us: micros(counts.longest()),
            retries: 0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { calls, failed, .. } = self;
        let (rate, retries) = (self.per_second, self.retries);
        writeln!(
            f,
            "{calls} calls, {rate}/s, {failed} failed, {retries} retried"
        )?;
        for (code, count) in &self.errors {
            writeln!(f, "  {count} × {code}")?;
        }
        let percentiles = [
            ("p50", self.p50_us),
            ("p90", self.p90_us),
            ("p99", self.p99_us),
            ("p99.9", self.p999_us),
            ("slowest", self.max_us),
        ];
        f.write_str("latency from when a call was due:")?;
        for (name, micros) in percentiles {
            write!(f, "  {name} {}", milliseconds(micros))?;
        }
        Ok(())
    }
}

/// Microseconds as milliseconds, to about three digits.
pub(crate) fn milliseconds(micros: u64) -> String {
    let value = micros as f64 / 1000.0;
    match micros {
        0..10_000 => format!("{value:.2} ms"),
        10_000..100_000 => format!("{value:.1} ms"),
        _ => format!("{value:.0} ms"),
    }
}
