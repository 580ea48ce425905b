//! The command line.

use crate::system::Kind;
use clap::{Parser, Subcommand, ValueEnum};

/// Micro against its floor and its peers, side by side in one run.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Use shorter windows, fewer rounds, and only the cells with targets.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print JSON, one object per line, instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure only these cells.
    #[arg(long, value_delimiter = ',', value_name = "CELL")]
    pub(crate) only: Vec<String>,
    /// Measure only these systems.
    #[arg(long, value_delimiter = ',')]
    pub(crate) systems: Vec<Kind>,
    /// Number of rounds.
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Measure the time of a clean build of the example `greeter`, and its size, too.
    #[arg(long)]
    pub(crate) cold_build: bool,
    /// Count the instructions per call, of client and server, of Micro and the floor, too; needs valgrind.
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Exit with 0 even if a target is missed.
    #[arg(long)]
    pub(crate) no_fail: bool,
    /// Write the targets and their figures to `docs/benchmarks.md`, with date, machine and commit; counts
    /// the instructions too.
    #[arg(long, conflicts_with_all = ["only", "systems"])]
    pub(crate) write: bool,
    /// Run one side of a system in this process, for a profiler.
    #[arg(long, hide = true, value_name = "SYSTEM")]
    pub(crate) one: Option<Kind>,
    /// The side that `--one` runs in this process; the other is a child.
    #[arg(long, hide = true, default_value = "client")]
    pub(crate) role: Role,
    /// Number of calls of `--one`.
    #[arg(long, hide = true, default_value_t = 100_000)]
    pub(crate) calls: u64,
    #[command(subcommand)]
    pub(crate) side: Option<Side>,
}

impl Args {
    /// Whether this process prints figures: not if it is a child or only checks.
    pub(crate) fn prints_figures(&self) -> bool {
        match &self.side {
            None => true,
            Some(Side::Outage { check, .. } | Side::Scale { check, .. }) => !check,
            Some(_child) => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Role {
    Client,
    Server,
}

/// Subcommands, and roles of children of the benchmark.
#[derive(Subcommand)]
pub(crate) enum Side {
    #[command(hide = true)]
    Serve { system: Kind, cell: String },
    #[command(hide = true)]
    Load {
        system: Kind,
        cell: String,
        port: u16,
        /// Milliseconds.
        warm_up: u64,
        /// Milliseconds.
        window: u64,
    },
    /// Holds resources while the parent reads the memory.
    #[command(hide = true, subcommand)]
    Idle(Idle),
    /// Measure calls during outages of a registry: killed, hung, emptied, flapping, slow.
    Outage {
        /// Use only these registries.
        #[arg(long, value_delimiter = ',')]
        on: Vec<String>,
        /// Run only these outages.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Run for a tenth of the time.
        #[arg(long)]
        short: bool,
        /// Print JSON, one object per line, instead of a table.
        #[arg(long)]
        json: bool,
        /// Check the promises without printing figures; allowed in any profile.
        #[arg(long, conflicts_with = "json")]
        check: bool,
    },
    /// Measure a large fleet: 1,000 services, 10,000 nodes, 50 clients.
    Scale {
        /// Use only these registries, of etcd and consul.
        #[arg(long, value_delimiter = ',')]
        on: Vec<String>,
        /// Measure only a fleet of a tenth of the size.
        #[arg(long)]
        tenth: bool,
        /// Print JSON, one object per line, instead of a table.
        #[arg(long)]
        json: bool,
        /// Check the promises without printing figures; allowed in any profile.
        #[arg(long, conflicts_with = "json")]
        check: bool,
    },
    /// Measures the memory of a client that has every node in its cache.
    #[command(hide = true)]
    CachedNode { url: String, services: usize },
    /// Runs a node of the outages.
    #[command(hide = true)]
    Node { id: String },
    /// Makes a number of calls.
    #[command(hide = true)]
    Calls {
        system: Kind,
        cell: String,
        port: u16,
        calls: u64,
    },
}

/// The resources of an idle process.
#[derive(Subcommand)]
pub(crate) enum Idle {
    /// A service with one endpoint.
    Greeter,
    /// Connections to the server at `port`.
    Connections { port: u16, count: usize },
    /// Nodes of one service in a client's cache.
    Nodes { count: usize },
}
