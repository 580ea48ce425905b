//! What services and nodes take in the memory of a client that knows them, in a process that knows all.

use super::{LARGE, LARGE_NODES, NODES, service};
use crate::{
    process::{Process, raise_descriptors, resident_kib, runtime},
    real::plugins,
};
use anyhow::{Context as _, Result, anyhow};
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

/// What a service takes that is known, and what each of its nodes takes beside it, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) service: f64,
    pub(super) node: f64,
}

/// Measured in a child.
pub(super) fn ask(url: &str, services: usize) -> Result<Known> {
    let arguments = ["knower".to_owned(), url.to_owned(), services.to_string()];
    let said = Process::start(&arguments)?.read()?;
    let mut figures = said.split(' ').map(str::parse);
    let mut next = || figures.next().context("a figure is missing");
    Ok(Known {
        service: next()??,
        node: next()??,
    })
}

/// Follows all the services, as a client does that has called each, and prints what that takes.
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
        know(&cache, &service(0)).await?;
        let before = held().await?;
        for number in 1..services {
            know(&cache, &service(number)).await?;
        }
        let small = held().await?;
        know(&cache, LARGE).await?;
        let node = (held().await? - small) / LARGE_NODES as f64;
        let service = (small - before) / (services - 1) as f64 - node * NODES as f64;
        writeln!(stdout(), "{service} {node}")?;
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
