//! What it takes to build `micro-rs`: packages and time.

use anyhow::{Result, ensure};
use std::{collections::BTreeSet, env, fs, process::Command, time::Instant};

/// Packages that a user of `micro-rs` with its default features builds, itself included.
pub(super) fn packages() -> Result<usize> {
    let tree = Command::new(cargo())
        .args(["tree", "-p", "micro-rs", "-e", "normal,build"])
        .args(["--prefix", "none"])
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
pub(super) fn cold() -> Result<f64> {
    let target = env::temp_dir().join(format!("micro-rs-cold-build-{}", std::process::id()));
    eprintln!("building `micro-rs` from nothing");
    let begun = Instant::now();
    let status = Command::new(cargo())
        .args(["build", "--quiet", "--release", "-p", "micro-rs"])
        .arg("--target-dir")
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
