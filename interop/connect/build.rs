//! Compiles the suite's own `.proto` files, from the Go module that it comes as.

use std::{env, path::Path, process::Command};

/// The folder of the suite's `.proto` files; `run` sets it.
const VARIABLE: &str = "CONFORMANCE_PROTO";
const MODULE: &str = "connectrpc.com/conformance@v1.0.7";

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let folder = env::var(VARIABLE).ok().or_else(of_module);
    let Some(folder) = folder else {
        panic!("`{VARIABLE}` is not set; run `interop/connect/run`, which gets what is needed");
    };
    let own = Path::new(&folder).join("connectrpc/conformance/v1");
    let files = ["client_compat", "config", "server_compat", "service"];
    let files = files.map(|name| own.join(name).with_extension("proto"));
    micro_build::Builder::new()
        .include(&folder)
        .extern_path(".google.protobuf.Any", "crate::any::Any")
        .compile(&files)
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The folder in the module, if Go has it already.
fn of_module() -> Option<String> {
    let mut list = Command::new("go");
    list.args(["mod", "download", "-json", MODULE]);
    let told = String::from_utf8(list.output().ok()?.stdout).ok()?;
    let (_, after) = told.split_once("\"Dir\": \"")?;
    let (module, _) = after.split_once('"')?;
    Some(format!("{module}/proto"))
}
