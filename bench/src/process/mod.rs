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
use tokio::runtime::{Builder, Runtime};

/// Where a pinned server runs, and where its client does.
const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

/// Holds this process, and every thread it starts from here on, to one CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}

/// One thread: all on the caller's. More: tokio's work-stealing runtime.
pub(crate) fn runtime(threads: usize) -> Result<Runtime> {
    let mut builder = if threads == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}
