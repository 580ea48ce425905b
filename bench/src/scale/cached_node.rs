//! Memory of services and nodes in the cache of a client.

use super::{NODES, service};
use crate::{
    process::{Process, raise_descriptors, resident_kib},
    real::plugins,
    runtime::runtime,
};
use anyhow::{Result, anyhow};
use micro::{
    Plugins, Socket,
    selector::{Cache, Options, Rng, Snapshots, strategy::P2c},
    transport::{Peer, Transport},
};
use std::{
    io::{Write, stdout},
    sync::Arc,
    time::Duration,
};

/// Bytes per node, including its share of the service's memory; measured in a child.
pub(super) fn measure_in_child(url: &str, services: usize) -> Result<f64> {
    let arguments = [
        "cached_node".to_owned(),
        url.to_owned(),
        services.to_string(),
    ];
    Ok(Process::start(&arguments)?.read()?.parse()?)
}

/// Watches all services, as a client that has called each, and prints the memory.
pub(crate) fn run(url: &str, services: usize) -> Result<()> {
    raise_descriptors()?;
    runtime(1)?.block_on(async {
        let registry = plugins(url, Plugins::new())?.open_registry();
        let registry = registry.map_err(|error| anyhow!("{error}"))?;
        let socket = Socket::new();
        let mut options = Options::default();
        options.snapshots = Snapshots::Off;
        let cache: Cache<Arc<dyn Peer>> = Cache::new(
            registry,
            Arc::new(P2c::new(Rng::new())),
            options,
            Box::new(move |node| socket.open(node)),
            Box::new(|peer| peer.close()),
        );
        // The memory of the first service includes what all share.
        know(&cache, &service(0)).await?;
        let before = settled_memory().await?;
        for number in 1..services {
            know(&cache, &service(number)).await?;
        }
        let bytes = (settled_memory().await? - before) / ((services - 1) * NODES) as f64;
        writeln!(stdout(), "{bytes}")?;
        Ok(())
    })
}

async fn know(cache: &Cache<Arc<dyn Peer>>, service: &str) -> Result<()> {
    let entry = cache.service(service);
    let known = entry.ready(u64::MAX).await;
    known.map_err(|error| anyhow!("{error}"))
}

/// Bytes in memory, once they are stable.
async fn settled_memory() -> Result<f64> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(resident_kib(std::process::id())? as f64 * 1024.0)
}
