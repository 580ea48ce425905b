//! Measurements without load: start, idle memory, cost of a pick, packages, build time.

mod build;
mod idle;
mod instructions;
mod pick;

pub(crate) use idle::run;

use crate::{
    args::{Args, Role},
    cell::{self, Cell},
    figures::Figures,
    measure::Measure,
    process::Server,
    system::Kind,
};
use anyhow::{Context as _, Result};
use std::{thread, time::Duration};

/// Starts per system; the median counts.
const STARTS: usize = 3;

/// Time until a server has touched its pages.
const SETTLE: Duration = Duration::from_millis(50);

/// Numbers of nodes for a pick.
const NODES: [usize; 4] = [10, 100, 1_000, 10_000];

/// Adds the instructions per call of Micro and the floor in the cell `32x64`.
pub(crate) fn count_instructions(figures: &mut Figures) -> Result<()> {
    for kind in [Kind::Floor, Kind::Micro] {
        for (measure, role) in [
            (Measure::ClientInstructions, Role::Client),
            (Measure::ServerInstructions, Role::Server),
        ] {
            let count = instructions::per_call(kind, role)?;
            figures.put(0, "32x64", measure, kind.name(), count);
        }
    }
    Ok(())
}

/// Adds these figures to `figures`.
pub(crate) fn read(args: &Args, figures: &mut Figures) -> Result<()> {
    let cell = cell::named("32x1").context("the cells have lost `32x1`")?;
    for round in 0..STARTS {
        start(args, cell, round, figures)?;
    }
    if args.systems.is_empty() || args.systems.contains(&Kind::Micro) {
        micro(cell, figures)?;
    }
    if args.cold_build {
        let cold = build::cold()?;
        let megabytes = cold.bytes as f64 / 1e6;
        figures.put(
            0,
            "greeter-build",
            Measure::ColdBuild,
            "micro",
            cold.seconds,
        );
        figures.put(0, "greeter-build", Measure::ProgramSize, "micro", megabytes);
    }
    Ok(())
}

/// Measures an idle server of each system.
fn start(args: &Args, cell: &Cell, round: usize, figures: &mut Figures) -> Result<()> {
    let systems = if args.systems.is_empty() {
        Kind::ALL
    } else {
        &args.systems
    };
    for kind in systems.iter().filter(|kind| cell::runs(**kind, cell)) {
        let server = Server::start(*kind, cell)?;
        thread::sleep(SETTLE);
        let memory = server.resident_kib()? as f64 / 1024.0;
        let start = server.start.as_secs_f64() * 1e3;
        figures.put(round, "idle", Measure::Start, kind.name(), start);
        figures.put(round, "idle", Measure::IdleMemory, kind.name(), memory);
    }
    Ok(())
}

/// Measurements of Micro alone.
fn micro(cell: &Cell, figures: &mut Figures) -> Result<()> {
    let mut put = |round, cell: &str, measure, value| {
        figures.put(round, cell, measure, "micro", value);
    };
    for round in 0..STARTS {
        for nodes in NODES {
            put(
                round,
                &format!("pick-{nodes}"),
                Measure::PerPick,
                pick::nanoseconds(nodes),
            );
        }
        let greeter = idle::greeter()?;
        put(
            round,
            "greeter",
            Measure::Registered,
            greeter.registered.as_secs_f64() * 1e3,
        );
        put(
            round,
            "greeter",
            Measure::IdleMemory,
            greeter.memory_kib / 1024.0,
        );
    }
    let connections = idle::connections(Kind::Micro, cell)?;
    put(
        0,
        "connections-10000",
        Measure::ClientConnection,
        connections.client_kib,
    );
    put(
        0,
        "connections-10000",
        Measure::ServerConnection,
        connections.server_kib,
    );
    put(0, "nodes-10000", Measure::Resident, idle::nodes()? / 1024.0);
    put(0, "packages", Measure::Packages, build::packages()? as f64);
    Ok(())
}
