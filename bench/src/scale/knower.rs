//! What services and nodes take in the memory of a client that knows them, in a process that knows all.

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

/// Bytes a node, its share of what its service takes included; measured in a child.
pub(super) fn ask(url: &str, services: usize) -> Result<f64> {
    let arguments = ["knower".to_owned(), url.to_owned(), services.to_string()];
    Ok(Process::start(&arguments)?.read()?.parse()?)
}

/// Follows all the services, as a client does that has called each, and prints what that takes.
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
        // What one service takes is what all of them share.
        know(&cache, &service(0)).await?;
        let before = held().await?;
        for number in 1..services {
            know(&cache, &service(number)).await?;
        }
        let bytes = (held().await? - before) / ((services - 1) * NODES) as f64;
        writeln!(stdout(), "{bytes}")?;
        Ok(())
    })
}

async fn know(cache: &Cache<Arc<dyn Peer>>, service: &str) -> Result<()> {
    let entry = cache.service(service);
    let known = entry.ready(u64::MAX).await;
    known.map_err(|error| anyhow!("{error}"))
}

/// Bytes in memory, when nothing happens any more.
async fn held() -> Result<f64> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(resident_kib(std::process::id())? as f64 * 1024.0)
}
