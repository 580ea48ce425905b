//! What one runtime does of a cell's load.

use super::recorder::Recorder;
use crate::message::Echo;
use anyhow::{Result, ensure};
use std::sync::Arc;

/// One runtime's share of a cell's load.
#[derive(Clone)]
pub(crate) struct Share {
    pub(crate) recorder: Arc<Recorder>,
    /// Which of the recorder's shards this share begins at.
    pub(crate) shard: usize,
    /// Its part of what is in flight, for the loads that have such a number.
    pub(crate) in_flight: usize,
    /// Calls to make; without end when the window is timed instead.
    pub(crate) calls: Option<u64>,
}

/// An answer of the wrong size is a defect of the system, not a sample.
pub(super) fn check(answer: &Echo, message: &Echo) -> Result<()> {
    ensure!(
        answer.body.len() == message.body.len(),
        "sent {} bytes and got {} back",
        message.body.len(),
        answer.body.len()
    );
    Ok(())
}
