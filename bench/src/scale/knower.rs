//! What a node takes in the memory of a client that knows it, in a process that knows all of them.

use super::{NODES, service};
use crate::{
    process::{Process, raise_descriptors, resident_kib, runtime},
    real::plugins,
};
use anyhow::{Result, anyhow};
use micro::{
    Plugins,
    selector::{Cache, Options, Rng, Snapshots, strategy::P2c},
    transport::{Native, Peer, Transport},
};
use std::{
    io::{Write, stdout},
    sync::Arc,
    time::Duration,
};

/// Bytes a node, measured in a child.
pub(super) fn ask(url: &str, services: usize) -> Result<f64> {
    let arguments = ["knower".to_owned(), url.to_owned(), services.to_string()];
    Ok(Process::start(&arguments)?.read()?.parse()?)
}

/// Follows all the services, as a client does that has called each, and prints bytes a node.
pub(crate) fn run(url: &str, services: usize) -> Result<()> {
    raise_descriptors()?;
    runtime(1)?.block_on(async {
        let registry = plugins(url, Plugins::new())?.open_registry();
        let registry = registry.map_err(|error| anyhow!("{error}"))?;
        let native = Native::new();
        let mut options = Options::default();
        options.snapshots = Snapshots::Off;
        let cache: Cache<Arc<dyn Peer>> = Cache::new(
            registry,
            Arc::new(P2c::new(Rng::new())),
            options,
            Box::new(move |node| native.open(node)),
            Box::new(|peer| peer.close()),
        );
        // What one service takes is what all of them share.
        know(&cache, 0..1).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = resident_kib(std::process::id())?;
        know(&cache, 1..services).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = resident_kib(std::process::id())?;
        let nodes = (services - 1) * NODES;
        let bytes = after.saturating_sub(before) as f64 * 1024.0 / nodes as f64;
        writeln!(stdout(), "{bytes}")?;
        Ok(())
    })
}

async fn know(cache: &Cache<Arc<dyn Peer>>, services: std::ops::Range<usize>) -> Result<()> {
    let entries: Vec<_> = services
        .map(|number| cache.service(&service(number)))
        .collect();
    for entry in &entries {
        entry
            .ready(u64::MAX)
            .await
            .map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}
