//! What came of the calls: latencies of all of them, and the codes of those that failed.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use micro::{Code, Error};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Summary;

/// The longest latency that is kept apart, in microseconds; longer ones count as this.
const LONGEST: u64 = 600_000_000;

/// Counts calls. Failed ones are waited for like others, so their latencies count too.
pub(crate) struct Recorder(Mutex<Counts>);

struct Counts {
    all: Share,
    /// Since the last [`Recorder::window`].
    window: Share,
    /// One error of each code, and how many there were.
    errors: BTreeMap<u8, (Error, u64)>,
}

struct Share {
    since: Instant,
    /// In microseconds, to three digits.
    latency: Histogram<u64>,
    longest: Duration,
    failed: u64,
}

impl Share {
    fn new(since: Instant) -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3);
        Share {
            since,
            latency: latency.expect("the bounds are in order and the digits at most five"),
            longest: Duration::ZERO,
            failed: 0,
        }
    }

    fn record(&mut self, latency: Duration, failed: bool) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros.max(1));
        self.longest = self.longest.max(latency);
        self.failed += u64::from(failed);
    }

    fn summary(&self, now: Instant) -> Summary {
        let percentile = |percentile| self.latency.value_at_percentile(percentile);
        let calls = self.latency.len();
        let seconds = (now - self.since).as_secs_f64();
        Summary {
            calls,
            failed: self.failed,
            errors: BTreeMap::new(),
            per_second: (calls as f64 / seconds.max(1e-6) * 10.0).round() / 10.0,
            p50_us: percentile(50.0),
            p90_us: percentile(90.0),
            p99_us: percentile(99.0),
            p999_us: percentile(99.9),
            max_us: u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX),
            retries: 0,
        }
    }
}

impl Recorder {
    /// Nothing counted; time begins.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Recorder(Mutex::new(Counts {
            all: Share::new(now),
            window: Share::new(now),
            errors: BTreeMap::new(),
        }))
    }

    /// Notes a call's end.
    pub(super) fn record(&self, latency: Duration, error: Option<Error>) {
        let counts = &mut *self.0.lock();
        counts.all.record(latency, error.is_some());
        counts.window.record(latency, error.is_some());
        if let Some(error) = error {
            let code = error.code().number();
            counts.errors.entry(code).or_insert((error, 0)).1 += 1;
        }
    }

    /// All calls so far.
    pub(crate) fn summary(&self) -> Summary {
        let counts = self.0.lock();
        let mut summary = counts.all.summary(Instant::now());
        let errors = counts.errors.iter();
        summary.errors = errors
            .map(|(code, (_, count))| (Code::from_number(*code).to_string(), *count))
            .collect();
        summary
    }

    /// The calls since this was last asked.
    pub(crate) fn window(&self) -> Summary {
        let now = Instant::now();
        let window = &mut self.0.lock().window;
        let summary = window.summary(now);
        window.since = now;
        window.latency.reset();
        window.longest = Duration::ZERO;
        window.failed = 0;
        summary
    }

    /// The first error of each code.
    pub(crate) fn errors(&self) -> Vec<Error> {
        let counts = self.0.lock();
        counts
            .errors
            .values()
            .map(|(error, _)| error.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_by_code_and_timed_like_the_rest() {
        let recorder = Recorder::new();
        for micros in 1..=98 {
            recorder.record(Duration::from_micros(micros), None);
        }
        let error = Error::unavailable("no node");
        recorder.record(Duration::from_millis(70), Some(error.clone()));
        recorder.record(Duration::from_millis(80), Some(error));
        tokio::time::advance(Duration::from_secs(2)).await;
        let summary = recorder.summary();
        assert_eq!((summary.calls, summary.failed), (100, 2));
        assert_eq!(summary.errors["unavailable"], 2);
        assert_eq!(summary.per_second, 50.0);
        assert_eq!((summary.p50_us, summary.p90_us), (50, 90));
        assert_eq!(summary.max_us, 80_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_begins_where_the_last_ended() {
        let recorder = Recorder::new();
        recorder.record(Duration::from_millis(9), None);
        assert_eq!(recorder.window().calls, 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        recorder.record(Duration::from_millis(1), None);
        let window = recorder.window();
        assert_eq!((window.calls, window.max_us), (1, 1000));
        assert_eq!(window.per_second, 1.0);
        assert_eq!(recorder.summary().calls, 2);
    }
}
