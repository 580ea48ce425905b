//! What one runtime does of a cell's load, and how the load is ended.

use super::Recorder;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// One runtime's share of a cell's load.
#[derive(Clone)]
pub(crate) struct Share {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) stop: Stop,
    /// Which of the recorder's shards this share begins at.
    pub(crate) shard: usize,
    /// Its part of what is in flight, for the loads that have such a number.
    pub(crate) in_flight: usize,
    /// Calls to make; without end when the window is timed instead.
    pub(crate) calls: Option<u64>,
}

/// Ends a load. Clones end the same one.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
