//! What is read rather than loaded: start, idle memory, packages, build time.

use crate::{
    args::Args,
    cell,
    figures::{Figures, Measure},
    process::Server,
    system::Kind,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeSet,
    env, fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Servers started a system; the median counts.
const STARTS: usize = 3;

/// A server's pages are all touched by then.
const SETTLE: Duration = Duration::from_millis(50);

/// Adds these figures to `figures`.
pub(crate) fn read(args: &Args, figures: &mut Figures) -> Result<()> {
    let systems = if args.systems.is_empty() {
        Kind::ALL
    } else {
        &args.systems
    };
    let cell = cell::named("32x1").context("the cells have lost `32x1`")?;
    for round in 0..STARTS {
        for kind in systems {
            let server = Server::start(*kind, cell)?;
            thread::sleep(SETTLE);
            let memory = server.resident_kib()? as f64 / 1024.0;
            let start = server.start.as_secs_f64() * 1e3;
            figures.put(round, "idle", Measure::Start, kind.name(), start);
            figures.put(round, "idle", Measure::IdleMemory, kind.name(), memory);
        }
    }
    figures.put(
        0,
        "packages",
        Measure::Packages,
        "micro",
        packages()? as f64,
    );
    if args.cold_build {
        figures.put(0, "build", Measure::ColdBuild, "micro", cold_build()?);
    }
    Ok(())
}

/// Packages that a user of `micro-rs` with its default features builds, itself included.
fn packages() -> Result<usize> {
    let tree = Command::new(cargo())
        .args(["tree", "-p", "micro-rs", "-e", "normal", "--prefix", "none"])
        .output()?;
    ensure!(
        tree.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let lines = String::from_utf8(tree.stdout)?;
    let names: BTreeSet<_> = lines
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    Ok(names.len())
}

/// Seconds of a release build of `micro-rs` into an empty target directory.
fn cold_build() -> Result<f64> {
    let target = env::temp_dir().join(format!("micro-rs-cold-build-{}", std::process::id()));
    eprintln!("building `micro-rs` from nothing");
    let begun = Instant::now();
    let status = Command::new(cargo())
        .args([
            "build",
            "--quiet",
            "--release",
            "-p",
            "micro-rs",
            "--target-dir",
        ])
        .arg(&target)
        .status()?;
    let seconds = begun.elapsed().as_secs_f64();
    fs::remove_dir_all(&target)?;
    ensure!(status.success(), "the cold build failed");
    Ok(seconds)
}

/// The cargo that runs this, else the one on the path.
fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
