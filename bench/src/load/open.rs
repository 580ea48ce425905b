//! Poisson arrivals that wait for nobody.

use super::{Share, arrivals, timed_call};
use crate::{message::Echo, system::Client};
use anyhow::Result;

/// Each arrival is a task of its own. Latency counts from when it was due, so a late start counts.
pub(super) async fn run<C: Client>(
    client: C,
    message: Echo,
    rate: f64,
    share: Share,
) -> Result<()> {
    let mut arrivals = arrivals::start(rate, share.recorder.clone())?;
    while let Some(due) = arrivals.recv().await {
        let (client, message, share) = (client.clone(), message.clone(), share.clone());
        tokio::spawn(async move {
            let shard = share.recorder.shard(share.shard);
            if let Err(error) = timed_call(&client, &message, due, &share, shard).await {
                share.recorder.fail(error);
            }
        });
    }
    Ok(())
}
