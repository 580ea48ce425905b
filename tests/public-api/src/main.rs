//! Compares the public API of every published library with its list in `docs/public-api`, so that a change of the API
//! is seen, and meant.
//!
//! `cargo run -p micro-rs-public-api` fails where they differ and prints how; with `MICRO_UPDATE=1` it writes the
//! lists. Traits that a type implements by a blanket or a derive, and auto traits, are left out.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    env, fs,
    io::Write,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// The compiler whose rustdoc writes JSON of the version that `public-api` reads.
const COMPILER: &str = "rustc 1.95.";
/// Set where cargo runs this program in place of rustdoc.
const AS_RUSTDOC: &str = "MICRO_PUBLIC_API_AS_RUSTDOC";

fn main() -> Result<ExitCode> {
    if env::var_os(AS_RUSTDOC).is_some() {
        // JSON is unstable; the build of what is documented must not notice that it is permitted here.
        let error = Command::new("rustdoc")
            .args(env::args_os().skip(1))
            .env("RUSTC_BOOTSTRAP", "1")
            .exec();
        bail!("rustdoc cannot be run: {error}");
    }
    let mut out = std::io::stdout().lock();
    let compiler = output(Command::new("rustc").arg("--version"))?;
    if !compiler.starts_with(COMPILER) {
        writeln!(out, "skip: public API: it is compared by {COMPILER}x only")?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_update = env::var_os("MICRO_UPDATE").is_some();
    let mut changed = Vec::new();
    for library in document(&libraries()?)? {
        let list = library.list()?;
        let page = library.page();
        let recorded = fs::read_to_string(&page).unwrap_or_default();
        if list == recorded {
            continue;
        }
        changed.push(library.package.clone());
        if is_update {
            fs::write(&page, &list).with_context(|| format!("cannot write {page:?}"))?;
        }
        for line in differences(&recorded, &list) {
            writeln!(out, "{}: {line}", library.package)?;
        }
    }
    if changed.is_empty() || is_update {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "the public API of {} has changed; if that is meant, run \
         `MICRO_UPDATE=1 cargo run -p micro-rs-public-api` and commit docs/public-api",
        changed.join(", ")
    )?;
    Ok(ExitCode::FAILURE)
}

/// A library that is published.
struct Library {
    package: String,
    /// What rustdoc writes.
    json: PathBuf,
}

impl Library {
    /// Its public items, one a line.
    fn list(&self) -> Result<String> {
        let api = public_api::Builder::from_rustdoc_json(&self.json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()
            .with_context(|| format!("the API of {}", self.package))?;
        Ok(api.items().map(|item| format!("{item}\n")).collect())
    }

    fn page(&self) -> PathBuf {
        root().join(format!("docs/public-api/{}.txt", self.package))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The published libraries of the workspace.
fn libraries() -> Result<Vec<Library>> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let target = text(&metadata["target_directory"]).context("a target directory")?;
    let mut libraries = Vec::new();
    for package in metadata["packages"].as_array().context("packages")? {
        // An empty list of registries: not published.
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        let targets = package["targets"].as_array().context("targets")?;
        for library in targets.iter().filter(|target| is_library(target)) {
            let name = text(&library["name"]).context("a name")?.replace('-', "_");
            libraries.push(Library {
                package: text(&package["name"]).context("a name")?,
                json: Path::new(&target).join(format!("doc/{name}.json")),
            });
        }
    }
    ensure!(!libraries.is_empty(), "the workspace publishes no library");
    Ok(libraries)
}

fn is_library(target: &Value) -> bool {
    let kinds = target["kind"].as_array().into_iter().flatten();
    kinds
        .into_iter()
        .any(|kind| kind == "lib" || kind == "proc-macro")
}

/// Has them documented as JSON.
fn document(libraries: &[Library]) -> Result<&[Library]> {
    for library in libraries {
        // Cargo takes for fresh what another run with these flags has written, whatever stands there now.
        match fs::remove_file(&library.json) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let mut doc = cargo();
    doc.args(["doc", "--quiet", "--no-deps", "--lib", "--all-features"]);
    for library in libraries {
        doc.args(["--package", &library.package]);
    }
    doc.env(AS_RUSTDOC, "1")
        .env("RUSTDOC", env::current_exe()?)
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json");
    ensure!(doc.status()?.success(), "cargo doc failed");
    Ok(libraries)
}

/// Lines of one that the other has not, each with its sign.
fn differences(before: &str, after: &str) -> Vec<String> {
    let old: BTreeSet<_> = before.lines().collect();
    let new: BTreeSet<_> = after.lines().collect();
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    let added = new.difference(&old).map(|line| format!("+ {line}"));
    gone.chain(added).collect()
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

fn output(command: &mut Command) -> Result<String> {
    let ran = command.output()?;
    ensure!(
        ran.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(String::from_utf8(ran.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_or_removed_item_is_a_difference() {
        let found = differences("a\nb\n", "b\nc\n");
        assert_eq!(found, ["- a", "+ c"]);
        assert!(differences("a\n", "a\n").is_empty());
    }

    #[test]
    fn published_libraries_are_found_and_others_left_out() {
        let libraries = libraries().expect("cargo knows the workspace");
        let names: Vec<_> = libraries
            .iter()
            .map(|library| library.package.as_str())
            .collect();
        assert!(names.contains(&"micro-rs"), "{names:?}");
        assert!(!names.contains(&"micro-rs-bench"), "{names:?}");
    }
}
