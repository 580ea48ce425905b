//! Instructions per call in user space, by callgrind.

use crate::{args::Role, system::Kind};
use anyhow::{Context as _, Result, ensure};
use std::{env, process::Command};

/// Calls of the two runs whose difference is taken, so that start-up cancels out. 64 callers make whole shares.
const CALLS: [u64; 2] = [19_968, 119_936];

/// Instructions per call on one side of a system, including the load generator.
pub(super) fn per_call(kind: Kind, role: Role) -> Result<f64> {
    let [few, many] = CALLS;
    eprintln!("counting the instructions of `{}`", kind.name());
    let counted = collected(kind, role, many)? - collected(kind, role, few)?;
    Ok(counted / (many - few) as f64)
}

/// Instructions of a whole run.
fn collected(kind: Kind, role: Role, calls: u64) -> Result<f64> {
    let role = match role {
        Role::Client => "client",
        Role::Server => "server",
    };
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--one", kind.name(), "--role", role])
        .args(["--calls", &calls.to_string()])
        .output()
        .context("`valgrind` cannot be run; install it to count instructions")?;
    let told = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "valgrind: {told}");
    read(&told).with_context(|| format!("valgrind gave no count: {told}"))
}

/// The count of the line `==PID== Collected : COUNT`.
fn read(told: &str) -> Option<f64> {
    let mut lines = told.lines();
    let count = lines.find_map(|line| line.split_once("Collected : ").map(|(_, count)| count))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn count_is_parsed_from_its_line() {
        let told = "==7== Events    : Ir\n==7== Collected : 1234\n==7== ";
        assert_eq!(super::read(told), Some(1234.0));
        assert_eq!(super::read("==7== Events    : Ir"), None);
    }
}
