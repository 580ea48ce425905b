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
fn recursive_messages_are_boxed() {
    expect(&here("tests/it/golden"), &of(&["recursive.proto"]));
    expect(&here("tests/it/golden"), &of(&["groups.proto"]));
}

#[test]
fn names_that_rust_has_another_use_for_are_written() {
    expect(
        &here("tests/it/golden/names"),
        &of(&["names/names.proto", "names/services.proto"]),
    );
}

#[test]
fn package_stands_in_the_module_of_a_message() {
    expect(&here("tests/it/golden/acme"), &of(&["acme/acme.proto"]));
}

#[test]
fn plain_types_of_protobuf_are_written_where_used() {
    expect(
        &here("tests/it/golden/reflected"),
        &of(&["reflected.proto"]),
    );
}

#[test]
fn packages_are_modules_that_know_each_other() {
    expect(
        &here("tests/it/golden/packages"),
        &of(&["shop/orders.proto"]),
    );
}

#[test]
fn example_is_what_its_file_gives() {
    let example = here("../micro/examples/contract");
    let files = Builder::new()
        .generate(&[example.join("weather.proto")])
        .unwrap();
    expect(&example, &files);
}

#[test]
fn what_is_chosen_is_done() {
    let chosen = Builder::new().include(here("tests/proto"));
    let text = |builder: Builder, file: &str| {
        let files = builder.generate(&[here("tests/proto").join(file)]).unwrap();
        let texts: Vec<_> = files.into_iter().map(|file| file.text).collect();
        texts.concat()
    };
    let everything = |builder| text(builder, "everything.proto");
    assert!(everything(chosen.clone().btree_map(".")).contains("std::collections::BTreeMap<"));
    assert!(everything(chosen.clone().bytes(".")).contains("pub some_bytes: prost::bytes::Bytes"));
    assert!(!everything(chosen.clone().descriptors(false)).contains("FILE_DESCRIPTOR_SET"));

    let orders = |builder| text(builder, "shop/orders.proto");
    let hidden = chosen
        .clone()
        .type_attribute(".shop.Money", "#[doc(hidden)]");
    assert!(orders(hidden).contains("#[doc(hidden)]"));
    let elsewhere = orders(chosen.extern_path(".shop.Money", "::money::Money"));
    assert!(elsewhere.contains("Option<::money::Money>"), "{elsewhere}");
    assert!(!elsewhere.contains("struct Money"), "{elsewhere}");
}

#[test]
fn package_without_a_name_is_called_as_its_file() {
    let directory = std::env::temp_dir().join(format!("micro-nameless-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("nameless.proto");
    let text = "syntax = \"proto3\";\nmessage A {}\nservice S { rpc B(A) returns (A); }\n";
    fs::write(&file, text).unwrap();
    let files = Builder::new().generate(&[file]).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].name, "nameless.rs");
    assert!(
        files[0].text.contains("package = \"\""),
        "{}",
        files[0].text
    );
    fs::remove_dir_all(directory).unwrap();
}
