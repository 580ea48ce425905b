//! What calls notice of a registry that is killed, hung, emptied, flapping or slow: nothing, if all is well.
//!
//! A run is a [`Scenario`] on one [`Backend`]: a real server ([`crate::real`]), three nodes in processes of their own
//! ([`fleet`]) and a client here ([`load`]) that makes 2,000 calls a second while the server suffers. [`cold`] is
//! the client that starts when the server is already gone.

mod cold;
mod fleet;
mod load;
mod report;
mod scenario;
mod world;

use anyhow::{Result, ensure};
use std::{io::stdout, time::Duration};

pub(crate) use fleet::{Node, SERVICE, run_node};
pub(crate) use load::call;

use crate::{
    real::{Backend, Servers},
    report::Form,
};
use scenario::Scenario;

/// How long everything takes.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// How long the server suffers.
    outage: Duration,
    /// How long a registration lasts, and how often it is renewed.
    ttl: Duration,
    renewal: Duration,
}

impl Times {
    /// As operators have it, or one tenth of it.
    fn new(short: bool) -> Self {
        let divisor = if short { 10 } else { 1 };
        Times {
            outage: Duration::from_secs(60) / divisor,
            ttl: Duration::from_secs(60) / divisor,
            renewal: Duration::from_secs(30) / divisor,
        }
    }
}

/// Runs the scenarios `only`, or all, on the servers `on`, or all, and prints a row for each.
pub(crate) fn run(on: &[String], only: &[String], short: bool, form: Form) -> Result<()> {
    crate::process::raise_descriptors()?;
    let times = Times::new(short);
    let mut failed = Vec::new();
    let backends = Backend::named(on)?;
    let scenarios = scenario::named(only)?;
    let mut out = stdout().lock();
    report::head(form, &mut out)?;
    for backend in backends {
        let servers = Servers::new(backend)?;
        for scenario in &scenarios {
            if !scenario.is_for(backend) {
                continue;
            }
            // A runtime a run, so that its tasks are counted from none.
            let runtime = crate::runtime::runtime(2)?;
            let row = runtime.block_on(one(backend, *scenario, times, &servers));
            runtime.shutdown_timeout(Duration::from_secs(5));
            match row {
                Ok(row) => {
                    report::row(&row, form, &mut out)?;
                    failed.extend(row.complaint());
                }
                Err(error) => {
                    failed.push(format!("{} {}: {error:#}", backend.name, scenario.name()))
                }
            }
        }
    }
    ensure!(
        failed.is_empty(),
        "not as promised:\n  {}",
        failed.join("\n  ")
    );
    Ok(())
}

async fn one(
    backend: &'static Backend,
    scenario: Scenario,
    times: Times,
    servers: &Servers,
) -> Result<report::Row> {
    match scenario {
        Scenario::ColdRefused | Scenario::ColdSilent => cold::run(backend, scenario, servers).await,
        _ => world::run(backend, scenario, times, servers).await,
    }
}
