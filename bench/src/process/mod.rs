//! The processes of a measurement: server, client, and the parent between them.

mod client;
mod parent;
mod server;
mod usage;

pub(crate) use client::{Sample, run as run_client, run_for};
pub(crate) use parent::{Process, Server, visit};
pub(crate) use server::{run as run_server, serve_calls};
pub(crate) use usage::{raise_descriptors, resident_kib};

use anyhow::Result;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// The CPUs of a pinned server and its client.
const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

/// Pins this process, and the threads it starts from now on, to a CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}
