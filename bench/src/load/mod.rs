//! What a load is made of: each runtime's share, its end, its counts, and a stream's messages.

mod share;
mod stream;

pub(crate) use share::{Share, Stop};
pub(crate) use stream::Stream;

use crate::message::Echo;
use anyhow::{Result, ensure};
use micro_load::Precision;
use std::sync::Arc;

/// Counts of one client process, and the first failure: a window with one is no measurement.
pub(crate) type Recorder = micro_load::Recorder<anyhow::Error>;

/// A recorder with a shard for each thread.
pub(crate) fn recorder(threads: usize) -> Arc<Recorder> {
    Arc::new(Recorder::new(threads, Precision::Low, |_| ()))
}

/// The first failure.
pub(crate) fn failure(recorder: &Recorder) -> Option<anyhow::Error> {
    let mut errors = recorder.take_errors();
    errors.remove(&()).map(|(error, _)| error)
}

/// An answer of the wrong size is a defect of the system, not a sample.
pub(crate) fn check(answer: &Echo, message: &Echo) -> Result<()> {
    ensure!(
        answer.body.len() == message.body.len(),
        "sent {} bytes and got {} back",
        message.body.len(),
        answer.body.len()
    );
    Ok(())
}
