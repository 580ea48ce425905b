//! The order of a run: each round measures every cell, each cell every system.
//!
//! The systems of a cell are measured within seconds of each other, so a slow machine affects all of them. Each
//! round begins with another system, so that none always follows the same one.

use crate::{
    args::Args,
    cell::{self, CELLS, Cell, Load},
    figures::Figures,
    process::{Sample, visit},
    system::Kind,
};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Durations and rounds.
struct Plan {
    warm_up: Duration,
    window: Duration,
    rounds: usize,
}

impl Plan {
    fn of(args: &Args) -> Self {
        let (warm_up, window, rounds) = if args.quick {
            (100, 300, 3)
        } else {
            (200, 800, 7)
        };
        Self {
            warm_up: Duration::from_millis(warm_up),
            window: Duration::from_millis(window),
            rounds: args.rounds.unwrap_or(rounds),
        }
    }
}

/// The results of a run.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    /// Measurements that failed twice.
    pub(crate) failed: Vec<String>,
}

/// Runs all rounds, with progress on stderr.
pub(crate) fn rounds(args: &Args) -> Result<Outcome> {
    let plan = Plan::of(args);
    let systems = if args.systems.is_empty() {
        Kind::ALL
    } else {
        &args.systems
    };
    let systems: Vec<_> = systems.iter().filter(|kind| prepared(**kind)).collect();
    for name in &args.only {
        let names = || {
            CELLS
                .iter()
                .map(|cell| cell.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        ensure!(
            cell::named(name).is_some(),
            "no cell `{name}`; there are {}",
            names()
        );
    }
    let mut outcome = Outcome::default();
    for round in 0..plan.rounds {
        eprintln!("round {} of {}", round + 1, plan.rounds);
        for cell in CELLS.iter().filter(|cell| wanted(args, cell, round)) {
            let mut order: Vec<_> = systems
                .iter()
                .copied()
                .filter(|kind| cell::runs(**kind, cell))
                .collect();
            if !order.is_empty() {
                let first = round % order.len();
                order.rotate_left(first);
            }
            for kind in order {
                match visit_twice(*kind, cell, &plan) {
                    Ok(sample) => {
                        let stream = matches!(cell.load, Load::Stream { .. });
                        let figures = &mut outcome.figures;
                        figures.put_sample(round, cell.name, kind.name(), &sample, stream);
                    }
                    Err(error) => {
                        let (system, cell) = (kind.name(), cell.name);
                        let failed = format!("`{system}` in cell `{cell}`: {error:#}");
                        eprintln!("{failed}");
                        outcome.failed.push(failed);
                    }
                }
            }
        }
    }
    Ok(outcome)
}

/// Whether a system can be measured on this machine; prints the reason if not.
fn prepared(kind: Kind) -> bool {
    let prepared = kind.prepare();
    if let Err(why) = &prepared {
        eprintln!("skip: `{}`: {why:#}", kind.name());
    }
    prepared.is_ok()
}

/// Measures once, and again if that fails.
fn visit_twice(kind: Kind, cell: &Cell, plan: &Plan) -> Result<Sample> {
    visit(kind, cell, plan.warm_up, plan.window).or_else(|error| {
        eprintln!(
            "`{}` in cell `{}`, once more: {error:#}",
            kind.name(),
            cell.name
        );
        visit(kind, cell, plan.warm_up, plan.window)
    })
}

fn wanted(args: &Args, cell: &Cell, round: usize) -> bool {
    if !args.only.is_empty() {
        return args.only.iter().any(|name| name == cell.name);
    }
    cell.gated || (!args.quick && round.is_multiple_of(2))
}
