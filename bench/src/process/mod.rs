//! The processes of a visit: a server, a client that asks it for its CPU time, a parent between them.

mod client;
mod server;
mod usage;
mod visit;

pub(crate) use client::{Sample, run as run_client, run_for};
pub(crate) use server::{run as run_server, serve_calls};
pub(crate) use usage::{raise_descriptors, resident_kib};
pub(crate) use visit::{Process, Server, visit};

use anyhow::Result;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// Where a pinned server runs, and where its client does.
const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

/// Holds this process, and every thread it starts from here on, to one CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}
