//! The build of a user of `micro-rs`: packages, time, and size of the program.

use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeSet, env, fs, path::Path, process::Command, time::Instant};

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

/// Figures of a clean build.
pub(super) struct Cold {
    pub(super) seconds: f64,
    /// Size of the program without symbols.
    pub(super) bytes: u64,
}

/// Builds the example `greeter` as a user does: in a project of its own, by the settings of the profile `dist`.
pub(super) fn cold() -> Result<Cold> {
    let folder = env::temp_dir().join(format!("micro-rs-cold-build-{}", std::process::id()));
    let built = greeter(&folder);
    fs::remove_dir_all(&folder)?;
    built
}

fn greeter(folder: &Path) -> Result<Cold> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    fs::write(folder.join("Cargo.toml"), project(&manifest, &root)?)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let example = root.join("micro/examples/greeter.rs");
    fs::copy(example, folder.join("src/main.rs"))?;
    eprintln!("building `greeter`");
    let begun = Instant::now();
    let status = Command::new(cargo())
        .args(["build", "--quiet", "--release"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .status()?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "the cold build failed");
    let bytes = fs::metadata(folder.join("target/release/greeter"))?.len();
    Ok(Cold { seconds, bytes })
}

/// The project's manifest, with Micro of the workspace at `root`.
fn project(workspace: &str, root: &Path) -> Result<String> {
    let (_, dist) = workspace
        .split_once("[profile.dist]\n")
        .context("the workspace has no profile `dist`")?;
    let settings: String = dist
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with("inherits"))
        .map(|line| format!("{line}\n"))
        .collect();
    let micro = root.join("micro");
    Ok(format!(
        "[package]\nname = \"greeter\"\nedition = \"2024\"\n\n\
         [dependencies]\nmicro = {{ package = \"micro-rs\", path = {micro:?} }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
         [profile.release]\nstrip = true\n{settings}\n[workspace]\n"
    ))
}

/// The cargo that runs this program, else the one on the path.
fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_build_has_the_settings_of_the_profile_dist() {
        let workspace = include_str!("../../../Cargo.toml");
        let manifest = project(workspace, Path::new("/micro")).expect("there is such a profile");
        let (_, profile) = manifest
            .split_once("[profile.release]")
            .expect("it has one");
        assert!(profile.contains("lto = \"thin\"\n"), "{manifest}");
        assert!(profile.contains("codegen-units = 1\n"), "{manifest}");
        assert!(!profile.contains("inherits"), "{manifest}");
    }
}
