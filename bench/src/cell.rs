//! The cells of the table: which load is put on a system, and where its two sides run.

use crate::system::Kind;

/// How requests are issued.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// A fixed number in flight; each answer is followed by the next request.
    Closed { in_flight: usize },
    /// Poisson arrivals, `rate` a second, whatever the answers do.
    Open { rate: f64 },
    /// One bidirectional stream, echoed one for one, this many messages outstanding.
    Stream { outstanding: usize },
}

/// One cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// What `--only` and the JSON call it.
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// Bytes of body, each way.
    pub(crate) payload: usize,
    /// Threads a side. One: pinned, the server to CPU 0, the client to CPU 1. More: not pinned.
    pub(crate) threads: usize,
    /// Whether a target stands on it. Those that none stands on are left out of `--quick` and are
    /// visited in every other round of a full run.
    pub(crate) gated: bool,
}

impl Cell {
    /// Whether the two sides are each held to a CPU of their own.
    pub(crate) fn pinned(&self) -> bool {
        self.threads == 1
    }
}

const fn closed(name: &'static str, payload: usize, in_flight: usize, gated: bool) -> Cell {
    Cell {
        name,
        load: Load::Closed { in_flight },
        payload,
        threads: 1,
        gated,
    }
}

const fn open(name: &'static str, rate: f64) -> Cell {
    Cell {
        load: Load::Open { rate },
        ..closed(name, 32, 0, true)
    }
}

const fn two_threads(name: &'static str, in_flight: usize, gated: bool) -> Cell {
    Cell {
        threads: 2,
        ..closed(name, 32, in_flight, gated)
    }
}

/// Every cell, in the order of a round. Two threads a side at 64 stand right after the pinned cell
/// they are compared with, so that the machine has had no time to change in between.
pub(crate) const CELLS: &[Cell] = &[
    closed("32x1", 32, 1, true),
    closed("32x16", 32, 16, true),
    closed("32x64", 32, 64, true),
    two_threads("2t-32x64", 64, true),
    closed("32x256", 32, 256, true),
    Cell {
        load: Load::Stream { outstanding: 64 },
        ..closed("bidi-32x64", 32, 0, true)
    },
    open("open-10k", 10_000.0),
    open("open-25k", 25_000.0),
    closed("1kx64", 1024, 64, true),
    closed("64kx16", 65_536, 16, true),
    closed("1kx1", 1024, 1, false),
    closed("1kx16", 1024, 16, false),
    closed("1kx256", 1024, 256, false),
    closed("64kx1", 65_536, 1, false),
    closed("64kx64", 65_536, 64, false),
    closed("64kx256", 65_536, 256, false),
    two_threads("2t-32x1", 1, false),
    two_threads("2t-32x256", 256, false),
];

/// The cell called `name`.
pub(crate) fn named(name: &str) -> Option<&'static Cell> {
    CELLS.iter().find(|cell| cell.name == name)
}

/// Whether `kind` has something to show in `cell`.
pub(crate) fn runs(kind: Kind, cell: &Cell) -> bool {
    match (kind, cell.load) {
        (Kind::Floor | Kind::Tarpc, Load::Stream { .. }) => false,
        (Kind::MicroStealing, _) => cell.threads > 1,
        (Kind::MicroTuned, _) => cell.name == "64kx16",
        (Kind::MicroPoll, _) => cell.name == "32x1",
        (Kind::MicroPlain | Kind::Axum | Kind::MicroMucp | Kind::GoMicro, _) => {
            cell.name == "32x64"
        }
        (_, _) => true,
    }
}
