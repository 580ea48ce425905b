//! `gen`, and what is made of a `.proto` under the other commands.

use std::{fs, path::Path};

use crate::sandbox::Sandbox;

/// The example itself.
#[allow(dead_code, reason = "its `main` is not run here")]
#[path = "../../../micro/examples/contract/main.rs"]
pub(crate) mod example;

/// The example's directory.
fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../micro/examples/contract")
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.serve(example::station());
    sandbox
}

fn latest(request: &str) -> [&str; 4] {
    ["call", "weather", "Station.Latest", request]
}

#[test]
fn generated_example_is_up_to_date() {
    let sandbox = Sandbox::new();
    let file = example().join("weather.proto");
    let file = file.to_str().expect("the path is Unicode");
    let written = sandbox.micro(&["gen", file, "--out", "made"]).ok();
    assert_eq!(written, "made/weather.rs\n");
    let made = fs::read_to_string(sandbox.directory().join("made/weather.rs"));
    let committed = fs::read_to_string(example().join("weather.rs"));
    assert_eq!(made.expect("it is there"), committed.expect("it is there"));

    let json = sandbox
        .micro(&["gen", file, "--out", "made", "--json"])
        .ok();
    assert_eq!(json, "[\"made/weather.rs\"]\n");
}

#[test]
fn imports_are_found_where_they_are_said_to_be() {
    let sandbox = Sandbox::new();
    let write = |name: &str, text: &str| {
        let path = sandbox.directory().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    };
    write(
        "shared/money.proto",
        "syntax = \"proto3\"; package money; message Money {}",
    );
    write(
        "shop/shop.proto",
        "syntax = \"proto3\"; package shop; import \"money.proto\"; message Order { money.Money price = 1; }",
    );
    let shop = ["gen", "shop/shop.proto", "--out", "rust"];
    let missing = sandbox.micro(&shop).failed(1);
    assert!(missing.contains("money.proto"), "{missing}");
    let found = [&shop[..], &["--include", "shop", "--include", "shared"]].concat();
    let written = sandbox.micro(&found).ok();
    assert_eq!(written, "rust/money.rs\nrust/shop.rs\nrust/mod.rs\n");
}

#[test]
fn syntax_error_is_reported_with_its_position() {
    let sandbox = Sandbox::new();
    let path = sandbox.directory().join("wrong.proto");
    fs::write(
        path,
        "syntax = \"proto3\";\nmessage A {\n  Nothing b = 1;\n}\n",
    )
    .expect("a file can be written");
    let error = sandbox.micro(&["gen", "wrong.proto"]).failed(1);
    assert!(
        error.contains("wrong.proto:3:3") && error.contains("Nothing"),
        "{error}"
    );
}

#[test]
fn grpc_call_takes_and_prints_protobuf_json() {
    let reply = sandbox().micro(&latest(r#"{"place":"Cape Town"}"#)).ok();
    let reply: serde_json::Value = serde_json::from_str(&reply).expect("a reply is JSON");
    assert_eq!(reply["degreesCelsius"], 21.5);
    assert_eq!(reply["sky"], "SKY_CLOUDED");
    assert_eq!(reply["rainMm"], 0.2);
    assert!(
        reply["at"].as_str().is_some_and(|at| at.ends_with('Z')),
        "{reply}"
    );
}

#[test]
fn request_is_validated_against_the_contract() {
    let sandbox = sandbox();
    let wrong = sandbox.micro(&latest(r#"{"place":5}"#)).failed(1);
    assert!(
        wrong.contains("field `place` must be string?, not 5"),
        "{wrong}"
    );
    let history = r#"{"place":"x","interval":"60s","count":"2"}"#;
    let readings = sandbox
        .micro(&["stream", "weather", "Station.History", history])
        .ok();
    assert_eq!(readings.lines().count(), 2);
}

#[test]
fn record_has_the_path_of_grpc() {
    let shown = sandbox().micro(&["get", "weather"]).ok();
    assert!(shown.contains("path=/weather.Station/Latest"), "{shown}");
}
