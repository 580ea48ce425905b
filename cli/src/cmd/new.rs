//! `micro new NAME`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    failure::{Failure, Result},
    session::Session,
};

/// Make a project: a service that builds and runs
#[derive(Args)]
pub(crate) struct New {
    /// The service's name, and its directory's; lower-case letters, digits and `-`
    name: String,
    /// Build against this checkout of Micro, not against its last release
    #[arg(long, value_name = "CHECKOUT")]
    path: Option<PathBuf>,
}

const MANIFEST: &str = include_str!("../template/Cargo.toml.in");
const MAIN: &str = include_str!("../template/main.rs");

impl New {
    pub(crate) fn run(self, session: &Session) -> Result {
        check_name(&self.name)?;
        let source = match &self.path {
            Some(path) => format!("path = {}", quoted(&library(path)?)?),
            None => concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"").to_owned(),
        };
        let kind = type_name(&self.name);
        let fill = |template: &str| {
            let filled = template.replace("{name}", &self.name);
            filled.replace("{type}", &kind).replace("{source}", &source)
        };
        let directory = Path::new(&self.name);
        create(directory)?;
        write(&directory.join("Cargo.toml"), &fill(MANIFEST))?;
        write(&directory.join("src/main.rs"), &fill(MAIN))?;
        write(&directory.join(".gitignore"), "/target\n")?;
        if let Some(path) = &self.path {
            // The versions that the checkout was tried with. Cargo makes its own where there are none.
            let _ = fs::copy(path.join("Cargo.lock"), directory.join("Cargo.lock"));
        }
        let name = &self.name;
        session.say(&format!(
            "made `{name}`; now\n  cd {name} && cargo run\nand elsewhere\n  \
             micro call {name} {kind}.Hello '{{\"name\":\"John\"}}'"
        ));
        Ok(())
    }
}

/// Names that a package and a directory can have.
fn check_name(name: &str) -> Result {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    // Cargo refuses the names of its own directories and of crates that every program has.
    let taken = [
        "test",
        "core",
        "std",
        "alloc",
        "build",
        "deps",
        "examples",
        "incremental",
    ];
    if starts && !name.ends_with('-') && name.chars().all(plain) && !taken.contains(&name) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "`{name}` cannot name a project; use lower-case letters, digits and `-`, a letter first, such as `greeter`"
    )))
}

/// The library's package in a checkout.
fn library(checkout: &Path) -> Result<PathBuf> {
    let package = checkout.join("micro");
    if !package.join("Cargo.toml").is_file() {
        return Err(Failure::Usage(format!(
            "`{}` is not a checkout of Micro: it has no `micro/Cargo.toml`",
            checkout.display()
        )));
    }
    fs::canonicalize(&package).map_err(|error| failed(&package, &error))
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> Result<String> {
    // Every JSON string of plain text is one of TOML's too.
    let text = path
        .to_str()
        .and_then(|text| serde_json::to_string(text).ok());
    text.ok_or_else(|| Failure::Usage(format!("path `{}` is not Unicode", path.display())))
}

/// `my-service` → `MyService`.
fn type_name(name: &str) -> String {
    let words = name.split('-').filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    words.map(capital).collect()
}

fn create(directory: &Path) -> Result {
    match fs::create_dir(directory) {
        Ok(()) => fs::create_dir(directory.join("src")).map_err(|error| failed(directory, &error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Failure::Failed(format!(
                "`{}` exists; choose another name or remove it",
                directory.display()
            )))
        }
        Err(error) => Err(failed(directory, &error)),
    }
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_cargo_takes() {
        for right in ["greeter", "my-service", "a1"] {
            assert!(check_name(right).is_ok(), "{right}");
        }
        for wrong in ["", "Greeter", "1a", "a b", "../a", "a-", "test", "ü"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        assert_eq!(type_name("my-big--service"), "MyBigService");
    }
}
