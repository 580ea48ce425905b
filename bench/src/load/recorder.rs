//! What a client counts: calls and their latencies, sharded by thread.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Longest latency kept apart, in nanoseconds; longer ones count as this.
const LONGEST: u64 = 60_000_000_000;

/// Calls answered since the last [`Recorder::take`].
pub(crate) struct Counts {
    pub(crate) calls: u64,
    /// In nanoseconds, to two digits: that keeps it inside the cache.
    pub(crate) latency: Histogram<u64>,
}

impl Counts {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, 2);
        Self {
            calls: 0,
            latency: latency.expect("the bounds are in order and the digits at most five"),
        }
    }

    /// A percentile (0 to 100) in microseconds.
    pub(crate) fn percentile(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1e3
    }
}

/// Counts of one client process.
pub(crate) struct Recorder {
    shards: Vec<Mutex<Counts>>,
    stopped: AtomicBool,
    failed: Mutex<Option<anyhow::Error>>,
}

impl Recorder {
    /// One shard a thread.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            shards: (0..threads).map(|_| Mutex::new(Counts::new())).collect(),
            stopped: AtomicBool::new(false),
            failed: Mutex::new(None),
        }
    }

    /// The shard that caller `caller` counts in.
    pub(crate) fn shard(&self, caller: usize) -> usize {
        caller % self.shards.len()
    }

    pub(crate) fn record(&self, shard: usize, latency: Duration) {
        let mut counts = self.shards[shard].lock();
        counts.calls += 1;
        counts.latency.saturating_record(latency.as_nanos() as u64);
    }

    pub(crate) fn count(&self, shard: usize) {
        self.shards[shard].lock().calls += 1;
    }

    /// Everything counted so far; counting begins anew.
    pub(crate) fn take(&self) -> Counts {
        let mut all = Counts::new();
        for shard in &self.shards {
            let mut counts = shard.lock();
            all.calls += std::mem::take(&mut counts.calls);
            all.latency += &counts.latency;
            counts.latency.reset();
        }
        all
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Keeps the first failure; a window with one is no measurement.
    pub(crate) fn fail(&self, error: anyhow::Error) {
        self.failed.lock().get_or_insert(error);
    }

    pub(crate) fn failure(&self) -> Option<anyhow::Error> {
        self.failed.lock().take()
    }
}
