//! Outages of a registry under load: killed, hung, emptied, flapping, slow. No call should fail.
//!
//! A run is a [`Scenario`] on one [`Backend`]: a real server ([`crate::real`]), three nodes in their own processes
//! ([`fleet`]) and a client ([`load`]) that makes 2,000 calls per second during the outage. [`cold`] is
//! a client that starts during the outage.

mod cold;
mod fleet;
mod load;
mod report;
mod run;
mod scenario;

use anyhow::{Result, ensure};
use std::{io::stdout, time::Duration};

pub(crate) use fleet::{Node, SERVICE, run_node};
pub(crate) use load::call;

use crate::{
    real::{Backend, Servers},
    report::Form,
};
use scenario::Scenario;

/// Durations of a run.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Length of the outage.
    outage: Duration,
    /// Time to live of registrations, and the interval of renewals.
    ttl: Duration,
    renewal: Duration,
}

impl Times {
    /// Usual durations, or a tenth of them.
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
            // A runtime for each run, so that the count of its tasks begins at 0.
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
        _ => run::run(backend, scenario, times, servers).await,
    }
}
