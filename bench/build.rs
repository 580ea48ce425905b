//! Gives the benchmark the name of its profile, which cargo tells no program.
#![allow(clippy::print_stdout, reason = "cargo reads it")]

use std::{env, path::Path};

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets it for build scripts");
    let profile = profile(Path::new(&out)).unwrap_or("unknown");
    println!("cargo::rustc-env=MICRO_BENCH_PROFILE={profile}");
    println!("cargo::rerun-if-changed=build.rs");
}

/// The folder above `build` in `target/PROFILE/build/…/out`. The variable `PROFILE` does not do: it is `release`
/// for every profile that inherits from it.
fn profile(out: &Path) -> Option<&str> {
    let build = out.ancestors().find(|path| path.ends_with("build"))?;
    build.parent()?.file_name()?.to_str()
}
