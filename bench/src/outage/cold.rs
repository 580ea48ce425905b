//! A client that starts during an outage of the registry: with snapshots of an earlier client, and without.

use super::{
    fleet::Node,
    load,
    report::{Cold, Row},
    run::{client_with, listed},
    scenario::Scenario,
};
use crate::real::{Backend, Servers};
use anyhow::{Context as _, Result, anyhow};
use micro::{Client, Plugins, selector::Snapshots};
use std::{env, fs, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

const TTL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn run(
    backend: &'static Backend,
    scenario: Scenario,
    servers: &Servers,
) -> Result<Row> {
    let name = servers.name(false);
    servers.up_empty(name).await?;
    let url = backend.url(&servers.addresses(name).await?);
    let node = [Node::start("1", &url, TTL, TTL / 2)?];
    listed(&url, &node, Duration::from_secs(60)).await?;
    let directory = env::temp_dir().join(format!("micro-outage-{}-kept", std::process::id()));
    // An earlier run with the same process id may have left it.
    let _none = fs::remove_dir_all(&directory);
    let well = client(&url, Some(&directory))?;
    let called = load::call(&well, 1).await;
    called.map_err(|error| anyhow!("a client before the outage: {error}"))?;
    until_kept(&directory).await?;
    drop(well);
    let (signal, bounds) = match scenario {
        Scenario::ColdSilent => ("STOP", (TIMEOUT * 9 / 10, TIMEOUT * 3 / 2)),
        _ => ("KILL", (Duration::ZERO, Duration::from_millis(250))),
    };
    servers.signal(name, signal).await?;
    let (kept, answer) = first_call(&url, Some(&directory)).await;
    answer.context("a client with nodes kept on disk")?;
    let (error, answer) = first_call(&url, None).await;
    let message = match answer {
        Ok(()) => "no error".to_owned(),
        Err(error) => error.to_string(),
    };
    servers.down(name).await?;
    fs::remove_dir_all(&directory)?;
    Ok(Row {
        backend: backend.name,
        scenario: scenario.name(),
        counts: None,
        back: None,
        usage: None,
        cold: Some(Cold {
            kept,
            error,
            bounds,
            message,
        }),
    })
}

/// A client with snapshots in `directory`.
fn client(url: &str, directory: Option<&Path>) -> Result<Client> {
    let snapshots = directory.map_or(Snapshots::Off, |path| Snapshots::In(path.to_owned()));
    let plugins = Plugins::new()
        .discovery(|discovery| discovery.snapshots = snapshots)
        .balance(|balance| balance.timeout = TIMEOUT);
    client_with(url, plugins)
}

/// Creates a client and makes one call; returns the time that took.
async fn first_call(url: &str, directory: Option<&Path>) -> (Duration, Result<()>) {
    let begun = Instant::now();
    let called = async {
        let called = load::call(&client(url, directory)?, 1).await;
        called.map(drop).map_err(|error| anyhow!("{error}"))
    };
    let answer = called.await;
    (begun.elapsed(), answer)
}

async fn until_kept(directory: &Path) -> Result<()> {
    for _ in 0..100 {
        if fs::read_dir(directory).is_ok_and(|mut files| files.next().is_some()) {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(anyhow!("no nodes were kept in `{}`", directory.display()))
}
