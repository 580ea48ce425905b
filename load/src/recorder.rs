//! Counts calls, in a shard for each thread.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{Counts, Precision};

/// Counts calls and their latencies, those of failed calls included, and stores the first error of each kind.
pub struct Recorder<E, K = ()> {
    precision: Precision,
    shards: Vec<Shard>,
    /// When counting last began.
    since: Mutex<Instant>,
    kind: fn(&E) -> K,
    failures: Mutex<Failures<E, K>>,
}

/// The counts of one thread.
pub struct Shard(Mutex<Counts>);

struct Failures<E, K> {
    /// Since counting last began.
    count: u64,
    /// The first error of each kind, and the count.
    errors: BTreeMap<K, (E, u64)>,
}

impl Shard {
    /// Counts a call that ended, with its latency.
    pub fn record(&self, latency: Duration) {
        self.0.lock().record(latency);
    }

    /// Counts a call that ended, without its latency.
    pub fn count(&self) {
        self.0.lock().count();
    }
}

impl<E, K: Ord> Recorder<E, K> {
    /// A recorder without calls, which starts its clock.
    ///
    /// `shards` should be the number of threads that make calls. `kind` groups errors.
    ///
    /// # Panics
    /// If `shards` is 0.
    pub fn new(shards: usize, precision: Precision, kind: fn(&E) -> K) -> Self {
        assert!(shards > 0, "a recorder has at least one shard");
        let shard = || Shard(Mutex::new(Counts::new(precision)));
        Recorder {
            precision,
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            since: Mutex::new(Instant::now()),
            kind,
            failures: Mutex::new(Failures {
                count: 0,
                errors: BTreeMap::new(),
            }),
        }
    }

    /// The shard that caller number `caller` counts in.
    pub fn shard(&self, caller: usize) -> &Shard {
        // Usual numbers cost no division.
        self.shards
            .get(caller)
            .unwrap_or_else(|| &self.shards[caller % self.shards.len()])
    }

    /// Counts a failure, and stores the error if it is the first of its kind. Count the call itself
    /// in a shard.
    pub fn fail(&self, error: E) {
        let kind = (self.kind)(&error);
        let mut failures = self.failures.lock();
        failures.count += 1;
        failures.errors.entry(kind).or_insert((error, 0)).1 += 1;
    }

    /// How many calls have failed since the last [`Recorder::take`].
    pub fn failed(&self) -> u64 {
        self.failures.lock().count
    }

    /// Returns and resets the counts, and restarts the clock. Errors stay.
    pub fn take(&self) -> Counts {
        let mut all = Counts::new(self.precision);
        let now = Instant::now();
        all.elapsed = now - std::mem::replace(&mut *self.since.lock(), now);
        for Shard(counts) in &self.shards {
            let mut counts = counts.lock();
            all += &counts;
            counts.clear();
        }
        all.failed = std::mem::take(&mut self.failures.lock().count);
        all
    }

    /// Returns and removes the first error of each kind, with the count.
    pub fn take_errors(&self) -> BTreeMap<K, (E, u64)> {
        std::mem::take(&mut self.failures.lock().errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors are texts; those with the same first word are of one kind.
    fn recorder(shards: usize) -> Recorder<&'static str, Option<char>> {
        Recorder::new(shards, Precision::High, |error| error.chars().next())
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_by_kind_and_timed_like_the_rest() {
        let recorder = recorder(1);
        for micros in 1..=98 {
            recorder.shard(0).record(Duration::from_micros(micros));
        }
        for (millis, error) in [(70, "unavailable"), (80, "unknown")] {
            recorder.shard(0).record(Duration::from_millis(millis));
            recorder.fail(error);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(recorder.failed(), 2);
        let counts = recorder.take();
        assert_eq!((counts.calls(), counts.failed()), (100, 2));
        assert_eq!(counts.rate(), 50.0);
        let micros = |percentile| counts.percentile(percentile).as_micros();
        assert_eq!((micros(50.0), micros(90.0)), (50, 90));
        assert_eq!(counts.longest(), Duration::from_millis(80));
        let errors = recorder.take_errors();
        assert_eq!(errors, BTreeMap::from([(Some('u'), ("unavailable", 2))]));
        assert!(recorder.take_errors().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn counts_begin_where_the_last_ended() {
        let recorder = recorder(1);
        recorder.shard(0).record(Duration::from_millis(9));
        recorder.fail("lost");
        let mut all = recorder.take();
        assert_eq!((all.calls(), all.failed()), (1, 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        recorder.shard(0).record(Duration::from_millis(1));
        let window = recorder.take();
        assert_eq!((window.calls(), window.failed()), (1, 0));
        assert_eq!(window.longest(), Duration::from_millis(1));
        assert_eq!(window.rate(), 1.0);
        all += &window;
        assert_eq!((all.calls(), all.failed()), (2, 1));
        assert_eq!(all.longest(), Duration::from_millis(9));
        assert_eq!(all.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn shards_add_up() {
        let recorder = recorder(2);
        for caller in 0..6 {
            let shard = recorder.shard(caller);
            assert!(std::ptr::eq(shard, recorder.shard(caller % 2)));
            shard.count();
            shard.record(Duration::from_millis(caller as u64));
        }
        let counts = recorder.take();
        assert_eq!(counts.calls(), 12);
        assert_eq!(counts.longest(), Duration::from_millis(5));
    }
}
