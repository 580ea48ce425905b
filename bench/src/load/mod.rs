//! The load on a client: closed, open, or one stream.

mod arrivals;
mod closed;
mod open;
mod recorder;

pub(crate) use recorder::Recorder;

use crate::{
    cell::{Cell, Load},
    message::Echo,
    system::Client,
};
use anyhow::{Result, ensure};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

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

/// Puts `cell`'s load on `client` until the recorder stops it or the calls are made.
pub(crate) async fn run<C: Client>(client: C, cell: &Cell, share: Share) -> Result<()> {
    let message = Echo::of_size(cell.payload);
    match cell.load {
        Load::Closed { .. } => closed::run(client, message, share).await,
        Load::Open { rate } => open::run(client, message, rate, share).await,
        Load::Stream { outstanding } => {
            let load = Stream {
                outstanding,
                message,
                received: AtomicU64::new(0),
                share,
            };
            client.stream(load).await
        }
    }
}

/// What a stream is asked to carry.
pub(crate) struct Stream {
    /// Messages sent and not yet echoed, to be held at this number.
    pub(crate) outstanding: usize,
    pub(crate) message: Echo,
    received: AtomicU64,
    share: Share,
}

impl Stream {
    /// Whether to go on.
    pub(crate) fn wants_more(&self) -> bool {
        let calls = self.share.calls.unwrap_or(u64::MAX);
        self.received.load(Relaxed) < calls && !self.share.recorder.stopped()
    }

    /// Counts one echo. Streams are judged by CPU a message, so no latency is kept.
    pub(crate) fn received(&self, answer: &Echo) -> Result<()> {
        check(answer, &self.message)?;
        self.received.fetch_add(1, Relaxed);
        self.share.recorder.count(self.share.shard);
        Ok(())
    }
}

/// An answer of the wrong size is a defect of the system, not a sample.
fn check(answer: &Echo, message: &Echo) -> Result<()> {
    ensure!(
        answer.body.len() == message.body.len(),
        "sent {} bytes and got {} back",
        message.body.len(),
        answer.body.len()
    );
    Ok(())
}

/// Calls once, and checks the answer; the time since `from` is the latency.
async fn timed_call<C: Client>(
    client: &C,
    message: &Echo,
    from: Instant,
    share: &Share,
    shard: usize,
) -> Result<()> {
    let answer = client.call(message.clone()).await?;
    check(&answer, message)?;
    share.recorder.record(shard, from.elapsed());
    Ok(())
}
