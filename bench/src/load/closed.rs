//! A fixed number of callers, each with one call in flight.

use super::{Share, timed_call};
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

/// The end of one call is the start of the next: one clock read a call.
async fn call<C: Client>(client: C, message: Echo, share: Share, caller: usize) -> Result<()> {
    let shard = share.recorder.shard(share.shard + caller);
    let in_flight = share.in_flight as u64;
    let mut left = share.calls.map_or(u64::MAX, |calls| calls / in_flight);
    let mut last = Instant::now();
    while left > 0 && !share.recorder.stopped() {
        last = timed_call(&client, &message, last, &share, shard).await?;
        left -= 1;
    }
    Ok(())
}
