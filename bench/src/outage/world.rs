//! One run: three nodes, a client, a load, and a server that suffers under it.

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

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long the load is on before and after.
const CALM: Duration = Duration::from_secs(1);

pub(super) async fn run(
    backend: &'static Backend,
    scenario: Scenario,
    times: Times,
    servers: &Servers,
) -> Result<Row> {
    let name = servers.name(scenario.is_cluster());
    servers.up_empty(name).await?;
    let slow = Proxy::start(&servers.addresses(name).await?).await?;
    // Only one run is about the way to the server; the others go without it.
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
    listed(&url, &nodes, PATIENCE)
        .await
        .context("before the outage")?;
    if scenario == Scenario::Late {
        back = well.elapsed();
    }
    let client = client(&url)?;
    ready(&client, nodes.len()).await?;
    let before = settled().await?;

    let load = Load::start(client.clone())?;
    sleep(CALM).await;
    if load.failed() > 0 {
        let counts = load.stop().await?;
        bail!("calls failed before the outage: {:?}", counts.errors);
    }
    let outage = scenario.happen(servers, &slow, times);
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
        listed(&url, &nodes, times.renewal * 3 + PATIENCE)
            .await
            .context("after the outage")?;
        back = well.elapsed();
    }
    sleep(CALM).await;
    let counts: Counts = load.stop().await?;
    if nodes.len() < 3 {
        nodes.push(Node::start("4", &url, times.ttl, times.renewal)?);
        listed(&url, &nodes, PATIENCE)
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

/// A client of the registry at `url` that keeps nothing on disk.
fn client(url: &str) -> Result<Client> {
    let parts = Plugins::new().discovery(|discovery| discovery.snapshots = Snapshots::Off);
    client_with(url, parts)
}

/// A client of these parts and the registry at `url`.
pub(super) fn client_with(url: &str, parts: Plugins) -> Result<Client> {
    let plugins = plugins(url, parts)?;
    plugins.client().map_err(|error| anyhow!("{error}"))
}

/// Waits until the registry, asked afresh, has exactly these nodes.
pub(super) async fn listed(url: &str, nodes: &[Node], patience: Duration) -> Result<()> {
    let plugins = plugins(url, Plugins::new())?;
    let registry = plugins
        .open_registry()
        .map_err(|error| anyhow!("{error}"))?;
    let mut last = String::from("nothing was heard");
    until(patience, async || match registry.get(SERVICE).await {
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
    .map_err(|_| anyhow!("nodes are missing after {patience:?}: {last}"))
}

/// Waits until a client calls without failing and has used this many nodes.
async fn ready(client: &Client, nodes: usize) -> Result<()> {
    until(PATIENCE, async || {
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

/// Descriptors and tasks, when they have stopped changing.
async fn settled() -> Result<Usage> {
    // A watch that is quiet is asked after for the first time within this.
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

/// Descriptors and tasks, once they are no more than they were, or after a minute: a node that may only have been
/// forgotten is shown, and tried, for 45 s.
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

async fn until(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Result<()> {
    let asked = async {
        while !is_so().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    within(patience, asked).await
}

async fn within(patience: Duration, asked: impl Future<Output = ()>) -> Result<()> {
    timeout(patience, asked)
        .await
        .with_context(|| format!("not within {patience:?}"))
}
