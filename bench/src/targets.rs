//! The targets, as data. Ratios are of one interleaved run; a machine's microseconds are no target.

use crate::measure::Measure::{self, *};

/// Which side of the bound is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Max,
    Min,
}

/// One promise: `measure` of `system` in `cell` against the same of another system, or by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) cell: &'static str,
    pub(crate) measure: Measure,
    pub(crate) system: &'static str,
    /// The system it is divided by and the cell that one is read from; `None`: absolute.
    pub(crate) relative_to: Option<(&'static str, &'static str)>,
    pub(crate) bound: Bound,
    pub(crate) target: f64,
}

/// At most `target` times what `system` shows in the same cell.
const fn at_most(
    cell: &'static str,
    measure: Measure,
    system: &'static str,
    target: f64,
    of: &'static str,
) -> Target {
    Target {
        cell,
        measure,
        system,
        relative_to: Some((of, cell)),
        bound: Bound::Max,
        target,
    }
}

const fn absolute(cell: &'static str, measure: Measure, target: f64) -> Target {
    Target {
        relative_to: None,
        ..at_most(cell, measure, "micro", target, "")
    }
}

/// Two threads a side are held to what one pinned thread of the floor costs.
const fn two_threads(system: &'static str, target: f64) -> Target {
    Target {
        relative_to: Some(("floor", "32x64")),
        ..at_most("2t-32x64", CpuPerCall, system, target, "floor")
    }
}

/// Every target.
pub(crate) const TARGETS: &[Target] = &[
    at_most("32x64", CpuPerCall, "micro", 1.7, "floor"),
    at_most("32x64", CpuPerCall, "micro", 1.0 / 6.0, "tonic"),
    at_most("32x64", CpuPerCall, "micro-grpc", 1.0, "tonic"),
    at_most("32x64", CpuPerCall, "micro-grpc-server", 1.0, "tonic"),
    at_most("32x64", CpuPerCall, "micro-grpc-client", 1.0, "tonic"),
    at_most("32x64", CpuPerCall, "micro", 0.6, "tarpc"),
    at_most("32x64", ServerCpuPerCall, "micro-plain", 1.0, "axum"),
    at_most("32x64", ServerCpuPerCall, "micro-mucp", 0.5, "go-micro"),
    at_most("32x16", CpuPerCall, "micro", 1.25, "floor"),
    at_most("32x256", CpuPerCall, "micro", 2.3, "floor"),
    at_most("1kx64", CpuPerCall, "micro", 1.5, "floor"),
    at_most("64kx16", CpuPerCall, "micro", 1.10, "floor"),
    at_most("64kx16", CpuPerCall, "micro-tuned", 0.90, "floor"),
    at_most("32x1", P50, "micro", 1.05, "floor"),
    at_most("32x1", P50, "micro-poll", 0.22, "floor"),
    at_most("32x1", CpuPerCall, "micro-poll", 0.5, "floor"),
    at_most("open-10k", ServerCpuPerCall, "micro", 1.10, "floor"),
    at_most("open-25k", ServerCpuPerCall, "micro", 1.15, "floor"),
    two_threads("micro", 1.0),
    two_threads("micro-stealing", 2.5),
    Target {
        bound: Bound::Min,
        ..at_most("bidi-32x64", CallsPerCpuSecond, "micro", 1.3, "tonic")
    },
    absolute("pick-1000", PerPick, 100.0),
    // Flat from 10 to 10,000 nodes: the same bound holds at the far end.
    absolute("pick-10000", PerPick, 100.0),
    absolute("packages", Packages, 150.0),
    // With `--cold-build` only.
    absolute("greeter-build", ProgramSize, 10.0),
];
