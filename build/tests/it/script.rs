//! Run as part of a build.

use std::{env, fs, path::Path, process::Command};

const PROTOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");

#[test]
#[ignore = "the other test of this file runs it, as cargo runs a build script"]
fn build_script() {
    let file = Path::new(PROTOS).join("shop/orders.proto");
    micro_build::compile(&[file], &[PROTOS]).unwrap();
}

#[test]
fn build_script_writes_its_output_and_watches_the_sources() {
    let out = env::temp_dir().join(format!("micro-build-{}", std::process::id()));
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "script::build_script",
            "--ignored",
            "--nocapture",
        ])
        .env("OUT_DIR", &out)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let mut watched: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("cargo:rerun-if-changed="))
        .collect();
    watched.sort_unstable();
    let expected = ["money", "orders"].map(|name| format!("{PROTOS}/shop/{name}.proto"));
    assert_eq!(watched, expected);
    for name in ["shop.rs", "shop.v1.rs", "mod.rs"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    fs::remove_dir_all(out).unwrap();
}

#[test]
fn without_a_place_to_write_to_it_says_what_to_do() {
    let ran = Command::new(env::current_exe().unwrap())
        .args(["--exact", "script::build_script", "--ignored"])
        .env_remove("OUT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(
        said.contains("`OUT_DIR` is not set; call this from a build script"),
        "{said}"
    );
}
