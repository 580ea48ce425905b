//! One run: three nodes, a client under load, and the outage of a server.

use super::{
    Times,
    fleet::{Node, SERVICE},
    load::{self, Counts, Load},
    report::{Row, Usage},
    scenario::Scenario,
};
use crate::real::{Backend, Proxy, Servers, plugins};
use anyhow::{Context as _, Result, anyhow, bail};
use micro::{Client, Plugins, selector::Snapshots};
use std::{collections::BTreeSet, future::Future, time::Duration};
use tokio::time::{Instant, sleep, timeout};

const SETUP_TIMEOUT: Duration = Duration::from_secs(60);
/// Time of load before and after the outage.
const STEADY_TIME: Duration = Duration::from_secs(1);

pub(super) async fn run(
    backend: &'static Backend,
    scenario: Scenario,
    times: Times,
    servers: &Servers,
) -> Result<Row> {
    let name = servers.name(scenario.is_cluster());
    servers.up_empty(name).await?;
    let slow = Proxy::start(&servers.addresses(name).await?).await?;
    // Only this scenario delays connections; the others connect directly.
    let addresses = match scenario {
        Scenario::Slow => slow.addresses.clone(),
        _ => servers.addresses(name).await?,
    };
    let url = backend.url(&addresses);
    if scenario == Scenario::Late {
        servers.down(name).await?;
    }
    let mut nodes = Vec::new();
    for id in ["1", "2", "3"] {
        nodes.push(Node::start(id, &url, times.ttl, times.renewal)?);
    }
    if scenario == Scenario::Late {
        sleep(times.renewal / 3).await;
        servers.up(name).await?;
    }
    let well = Instant::now();
    let mut back = Duration::ZERO;
    listed(&url, &nodes, SETUP_TIMEOUT)
        .await
        .context("before the outage")?;
    if scenario == Scenario::Late {
        back = well.elapsed();
    }
    let client = client(&url)?;
    ready(&client, nodes.len()).await?;
    let before = settled().await?;

    let load = Load::start(client.clone())?;
    sleep(STEADY_TIME).await;
    if load.failed() > 0 {
        let counts = load.stop().await?;
        bail!("calls failed before the outage: {:?}", counts.errors);
    }
    let outage = scenario.inject(servers, &slow, times);
    if scenario == Scenario::Killed {
        let death = async {
            sleep(times.outage / 2).await;
            drop(nodes.pop());
        };
        let (happened, ()) = tokio::join!(outage, death);
        happened?;
    } else {
        outage.await?;
    }
    if scenario != Scenario::Late {
        let well = Instant::now();
        listed(&url, &nodes, times.renewal * 3 + SETUP_TIMEOUT)
            .await
            .context("after the outage")?;
        back = well.elapsed();
    }
    sleep(STEADY_TIME).await;
    let counts: Counts = load.stop().await?;
    if nodes.len() < 3 {
        nodes.push(Node::start("4", &url, times.ttl, times.renewal)?);
        listed(&url, &nodes, SETUP_TIMEOUT)
            .await
            .context("a node that took the place of the dead one")?;
        ready(&client, nodes.len()).await?;
    }
    let after = returned(before).await?;
    for node in &mut nodes {
        node.leave()?;
    }
    drop(client);
    Ok(Row {
        backend: backend.name,
        scenario: scenario.name(),
        counts: Some(counts),
        back: Some((
            back,
            times.renewal.max(backend.start) + Duration::from_secs(1),
        )),
        usage: Some((before, after)),
        cold: None,
    })
}

/// A client of the registry at `url`, without snapshots on disk.
fn client(url: &str) -> Result<Client> {
    let parts = Plugins::new().discovery(|discovery| discovery.snapshots = Snapshots::Off);
    client_with(url, parts)
}

/// A client of these plugins and the registry at `url`.
pub(super) fn client_with(url: &str, parts: Plugins) -> Result<Client> {
    let plugins = plugins(url, parts)?;
    plugins.client().map_err(|error| anyhow!("{error}"))
}

/// Waits until a new client of the registry sees exactly these nodes.
pub(super) async fn listed(url: &str, nodes: &[Node], limit: Duration) -> Result<()> {
    let plugins = plugins(url, Plugins::new())?;
    let registry = plugins
        .open_registry()
        .map_err(|error| anyhow!("{error}"))?;
    let mut last = String::from("no answer");
    until(limit, async || match registry.get(SERVICE).await {
        Ok(found) => {
            let mut found: Vec<_> = found.into_iter().map(|node| node.id).collect();
            found.sort();
            last = format!("the registry has {found:?}");
            nodes
                .iter()
                .all(|node| found.iter().any(|id| id == node.id()))
        }
        Err(error) => {
            last = error.to_string();
            false
        }
    })
    .await
    .map_err(|_| anyhow!("nodes are missing after {limit:?}: {last}"))
}

/// Waits until calls succeed and have reached this many nodes.
async fn ready(client: &Client, nodes: usize) -> Result<()> {
    until(SETUP_TIMEOUT, async || {
        let mut ids = BTreeSet::new();
        for number in 0..64 {
            match load::call(client, number).await {
                Ok(echo) => drop(ids.insert(echo.id)),
                Err(_) => return false,
            }
        }
        ids.len() == nodes
    })
    .await
    .context("the client never used every node")
}

/// Descriptors and tasks, once they are stable.
async fn settled() -> Result<Usage> {
    // An idle watch is checked within this time.
    sleep(Duration::from_secs(6)).await;
    let mut last = Usage::now()?;
    for _ in 0..20 {
        sleep(Duration::from_millis(250)).await;
        let now = Usage::now()?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}

/// Descriptors and tasks, once they are at most those before, or after a minute: the client keeps a node for 45 s if the
/// registry may have lost it.
async fn returned(before: Usage) -> Result<Usage> {
    let mut now = Usage::now()?;
    for _ in 0..240 {
        if now.is_within(before) {
            break;
        }
        sleep(Duration::from_millis(250)).await;
        now = Usage::now()?;
    }
    Ok(now)
}

async fn until(limit: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Result<()> {
    let asked = async {
        while !is_so().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    within(limit, asked).await
}

async fn within(limit: Duration, asked: impl Future<Output = ()>) -> Result<()> {
    timeout(limit, asked)
        .await
        .with_context(|| format!("not within {limit:?}"))
}
