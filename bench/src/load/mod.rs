//! The load on a client: closed, open, or one stream.

mod arrivals;
mod closed;
mod open;
mod recorder;
mod share;
pub(crate) mod stream;

pub(crate) use recorder::Recorder;
pub(crate) use share::Share;

use crate::{
    cell::{Cell, Load},
    message::Echo,
    system::Client,
};
use anyhow::Result;
use share::check;
use std::time::Instant;
use stream::Stream;

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
                received: 0.into(),
                share,
            };
            client.stream(load).await
        }
    }
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
