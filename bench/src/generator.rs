//! Puts the load of a cell on a client: closed, open, or one stream.

use crate::{
    cell::{Cell, Load},
    load::{Share, Stream, check},
    message::Echo,
    system::Client,
};
use anyhow::Result;
use micro_load::{Pacer, Poisson, Target, closed, open_detached};
use std::time::Duration;

/// Of a closed loop one call in this many is timed: clocks and histograms are the load's cost, not
/// the system's, and would be a tenth of the floor's own.
const TIMED: u64 = 8;

/// Puts `cell`'s load on `client` until it is stopped or the calls are made.
pub(crate) async fn run<C: Client>(client: C, cell: &Cell, share: Share) -> Result<()> {
    let message = Echo::of_size(cell.payload);
    match cell.load {
        Load::Closed { .. } => {
            let (recorder, first, callers) = (share.recorder, share.shard, share.in_flight);
            let calls = share
                .calls
                .map_or(u64::MAX, |calls| calls / callers.max(1) as u64);
            let stop = share.stop;
            let goes_on = move |made| made < calls && !stop.is_set();
            let echoes = Echoes { client, message };
            closed::<TIMED, _, _>(echoes, callers, recorder, first, goes_on).await?;
        }
        Load::Open { rate } => {
            // Without a grain: batches would be measured.
            let pacer = Pacer::start(Poisson::new(rate), Duration::ZERO)?;
            let (recorder, shard, stop) = (share.recorder, share.shard, share.stop);
            let echoes = Echoes { client, message };
            open_detached(echoes, pacer, recorder, shard, |_| !stop.is_set()).await;
        }
        Load::Stream { outstanding } => {
            client
                .stream(Stream::new(outstanding, message, share))
                .await?;
        }
    }
    Ok(())
}

/// A client that is sent one message again and again.
#[derive(Clone)]
struct Echoes<C> {
    client: C,
    message: Echo,
}

impl<C: Client> Target for Echoes<C> {
    type Answer = Echo;
    type Error = anyhow::Error;

    fn call(&self) -> impl Future<Output = Result<Echo>> + Send {
        self.client.call(self.message.clone())
    }

    fn check(&self, answer: Echo) -> Result<()> {
        check(&answer, &self.message)
    }
}
