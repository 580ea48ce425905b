//! The text that is generated. `MICRO_UPDATE=1` writes what is expected anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use micro_build::{Builder, Generated};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn of(protos: &[&str]) -> Vec<Generated> {
    let protos: Vec<_> = protos
        .iter()
        .map(|name| here("tests/proto").join(name))
        .collect();
    Builder::new()
        .include(here("tests/proto"))
        .generate(&protos)
        .unwrap()
}

/// Holds generated files against those in a directory.
fn expect(directory: &Path, files: &[Generated]) {
    for Generated { name, text, .. } in files {
        let path = directory.join(name);
        if std::env::var_os("MICRO_UPDATE").is_some() {
            fs::write(&path, text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let same = expected
            .lines()
            .zip(text.lines())
            .take_while(|(a, b)| a == b);
        let line = same.count();
        assert!(
            expected == *text,
            "{} is another from line {}: `{}`\nMICRO_UPDATE=1 writes it anew",
            path.display(),
            line + 1,
            text.lines().nth(line).unwrap_or_default()
        );
    }
}

#[test]
fn every_kind_of_field_and_name_is_written_as_it_should_be() {
    expect(&here("tests/it/golden"), &of(&["everything.proto"]));
}

#[test]
fn older_files_are_written_too() {
    expect(&here("tests/it/golden"), &of(&["legacy.proto"]));
}

#[test]
fn packages_are_modules_that_know_each_other() {
    expect(
        &here("tests/it/golden/packages"),
        &of(&["shop/orders.proto"]),
    );
}

#[test]
fn the_example_is_what_its_file_gives() {
    let example = here("../micro/examples/contract");
    let files = Builder::new()
        .generate(&[example.join("weather.proto")])
        .unwrap();
    expect(&example, &files);
}
