//! The command line.

use crate::system::Kind;
use clap::{Parser, Subcommand, ValueEnum};

/// Micro against its floor and its peers, side by side in one run.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Shorter windows, fewer rounds, only the cells that targets stand on.
    #[arg(long)]
    pub(crate) quick: bool,
    /// One JSON object a line instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only these cells.
    #[arg(long, value_delimiter = ',', value_name = "CELL")]
    pub(crate) only: Vec<String>,
    /// Only these systems.
    #[arg(long, value_delimiter = ',')]
    pub(crate) systems: Vec<Kind>,
    /// How many rounds.
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Also time a build of the example `greeter` from nothing, and see how large it is.
    #[arg(long)]
    pub(crate) cold_build: bool,
    /// Also count the instructions a call, client and server, of Micro and the floor; takes valgrind.
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Exit with 0 even if a target is missed: for exploration.
    #[arg(long)]
    pub(crate) no_fail: bool,
    /// Write the targets and their figures to `docs/benchmarks.md`, with date, machine and commit; counts
    /// the instructions too.
    #[arg(long, conflicts_with_all = ["only", "systems"])]
    pub(crate) write: bool,
    /// Make calls with one side in this process, for a profiler.
    #[arg(long, hide = true, value_name = "SYSTEM")]
    pub(crate) one: Option<Kind>,
    /// Which side `--one` runs here; the other is a child.
    #[arg(long, hide = true, default_value = "client")]
    pub(crate) role: Role,
    /// How many calls `--one` makes.
    #[arg(long, hide = true, default_value_t = 100_000)]
    pub(crate) calls: u64,
    #[command(subcommand)]
    pub(crate) side: Option<Side>,
}

impl Args {
    /// Whether this process prints figures: not if it is a child, or only checks.
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

/// What this binary is when it starts itself.
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
    /// Holds something, does nothing, and says what that takes.
    #[command(hide = true, subcommand)]
    Idle(Idle),
    /// What calls notice of a registry that is killed, hung, emptied, flapping or slow.
    Outage {
        /// Only on these registries.
        #[arg(long, value_delimiter = ',')]
        on: Vec<String>,
        /// Only these outages.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// A tenth of the time.
        #[arg(long)]
        short: bool,
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// Say only whether all is as promised, without figures; any profile does for that.
        #[arg(long, conflicts_with = "json")]
        check: bool,
    },
    /// What a large fleet costs: 1,000 services, 10,000 nodes, 50 clients.
    Scale {
        /// Only on these registries, of etcd and consul.
        #[arg(long, value_delimiter = ',')]
        on: Vec<String>,
        /// Only the fleet of a tenth.
        #[arg(long)]
        tenth: bool,
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// Say only whether all is as promised, without figures, and fail if not; any profile does for that.
        #[arg(long, conflicts_with = "json")]
        check: bool,
    },
    /// A client that knows every node, and says what that takes.
    #[command(hide = true)]
    Knower { url: String, services: usize },
    /// A node that is called through an outage.
    #[command(hide = true)]
    Node { id: String },
    /// Makes a number of calls and ends.
    #[command(hide = true)]
    Calls {
        system: Kind,
        cell: String,
        port: u16,
        calls: u64,
    },
}

/// What a process holds whose memory is read.
#[derive(Subcommand)]
pub(crate) enum Idle {
    /// A service as small as they come.
    Greeter,
    /// Connections to the server at `port`.
    Connections { port: u16, count: usize },
    /// Nodes of one service in a client's cache.
    Nodes { count: usize },
}
