//! A fixed number of callers, each with one call in flight.

use super::{Share, check, timed_call};
use crate::{message::Echo, system::Client};
use anyhow::Result;
use std::time::Instant;

pub(super) async fn run<C: Client>(client: C, message: Echo, share: Share) -> Result<()> {
    let callers: Vec<_> = (0..share.in_flight)
        .map(|caller| tokio::spawn(call(client.clone(), message.clone(), share.clone(), caller)))
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(())
}

/// One call in this many is timed: clocks and histograms are the load's cost, not the system's, and
/// would be a tenth of the floor's own.
const TIMED: u64 = 8;

async fn call<C: Client>(client: C, message: Echo, share: Share, caller: usize) -> Result<()> {
    let shard = share.recorder.shard(share.shard + caller);
    let in_flight = share.in_flight as u64;
    let calls = share.calls.map_or(u64::MAX, |calls| calls / in_flight);
    let mut made = 0;
    while made < calls && !share.recorder.stopped() {
        if made % TIMED == 0 {
            timed_call(&client, &message, Instant::now(), &share, shard).await?;
        } else {
            check(&client.call(message.clone()).await?, &message)?;
            share.recorder.count(shard);
        }
        made += 1;
    }
    Ok(())
}
