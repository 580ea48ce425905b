//! Micro against its floor and its peers, side by side in one run.
//!
//! - [`cell`] has the loads, [`system`] the systems under load, [`generator`] and [`load`] the load generator.
//! - [`process`] starts server and client, [`run`] orders the measurements.
//! - [`targets`] has the targets, [`figures`] the results, [`report`] prints them.
//! - [`footprint`] measures memory, packages and build time.
//! - [`outage`] measures outages of registries, [`scale`] large fleets, both on [`real`] servers.
//! - [`one`] runs one side for profilers. [`profile`] refuses to measure builds of other profiles than `dist`.

mod args;
mod cell;
mod figures;
mod footprint;
mod generator;
mod load;
mod measure;
mod message;
mod one;
mod outage;
mod process;
mod profile;
mod real;
mod report;
mod run;
mod runtime;
mod scale;
mod system;
mod targets;

use anyhow::{Context as _, Result, bail, ensure};
use args::{Args, Side};
use clap::Parser;
use report::Form;
use std::{io::stdout, net::SocketAddr, process::ExitCode, time::Duration};

/// The same allocator for all systems.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that `anyhow` adds where `RUST_BACKTRACE` is set.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Args) -> Result<()> {
    if args.prints_figures() {
        profile::require_dist(profile::BUILT_BY)?;
    }
    match args.side.take() {
        Some(side) => run_side(side),
        None => match args.one {
            Some(kind) => one::run(kind, &args),
            None => measure(&args),
        },
    }
}

fn measure(args: &Args) -> Result<()> {
    let run::Outcome {
        mut figures,
        failed,
    } = run::rounds(args)?;
    if args.only.is_empty() {
        footprint::read(args, &mut figures)?;
    }
    if args.instructions || args.write {
        footprint::count_instructions(&mut figures)?;
    }
    if args.json {
        report::write_json(&figures, &mut stdout().lock())?;
    } else {
        report::write_table(&figures, &mut stdout().lock())?;
    }
    if args.write {
        report::write_page(&figures)?;
    }
    ensure!(failed.is_empty(), "failed twice: {}", failed.join("; "));
    let missed = figures.missed();
    if !missed.is_empty() && !args.no_fail {
        bail!(
            "{} targets are missed; `--no-fail` exits with 0",
            missed.len()
        );
    }
    Ok(())
}

fn run_side(side: Side) -> Result<()> {
    let find = |name: &str| cell::named(name).with_context(|| format!("no cell `{name}`"));
    match side {
        Side::Serve { system, cell } => process::run_server(system, find(&cell)?),
        Side::Load {
            system,
            cell,
            port,
            warm_up,
            window,
        } => process::run_client(
            system,
            find(&cell)?,
            loopback(port),
            Duration::from_millis(warm_up),
            Duration::from_millis(window),
        ),
        Side::Outage {
            on,
            only,
            short,
            json,
            check,
        } => outage::run(&on, &only, short, Form::new(json, check)),
        Side::Scale {
            on,
            tenth,
            json,
            check,
        } => scale::run(&on, tenth, Form::new(json, check)),
        Side::CachedNode { url, services } => scale::measure_cached_node(&url, services),
        Side::Node { id } => outage::run_node(&id),
        Side::Idle(idle) => footprint::run(idle),
        Side::Calls {
            system,
            cell,
            port,
            calls,
        } => process::run_for(system, find(&cell)?, loopback(port), calls),
    }
}

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
