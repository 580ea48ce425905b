//! CPU time and memory of processes, and the limit of descriptors.

use anyhow::{Context as _, Result};
use nix::{
    sys::{
        resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
        time::TimeValLike,
    },
    time::clock_getcpuclockid,
    unistd::Pid,
};

/// User and system time of this process and its living children so far, in microseconds.
pub(super) fn cpu_us() -> Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let own = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let mut all = own;
    for child in children()? {
        let clock = clock_getcpuclockid(child)?;
        all += clock.now()?.num_microseconds();
    }
    Ok(all)
}

/// The children of all threads of this process, such as a server in another language.
fn children() -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        let listed = std::fs::read_to_string(thread?.path().join("children"))?;
        for id in listed.split_whitespace() {
            children.push(Pid::from_raw(id.parse()?));
        }
    }
    Ok(children)
}

/// Resident memory of process `id`, in KiB.
pub(crate) fn resident_kib(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(size
        .context("no `VmRSS` in the process's status")?
        .parse()?)
}

/// Raises the limit of descriptors to the system's maximum.
pub(crate) fn raise_descriptors() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
