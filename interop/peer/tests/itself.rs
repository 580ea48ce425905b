//! The peer against itself, as two processes that find each other in a directory.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const PEER: &str = env!("CARGO_BIN_EXE_interop-peer");

/// A server, ended with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory, gone with this.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn flags(place: &Path, protocol: &str, content_type: &str) -> Vec<String> {
    let place = place.to_str().unwrap();
    let pairs = [
        ("-registry", "local"),
        ("-registry_address", place),
        ("-protocol", protocol),
        ("-content_type", content_type),
    ];
    pairs
        .map(|(flag, value)| [flag.to_owned(), value.to_owned()])
        .concat()
}

/// Runs all cases; what the client printed last.
fn run(protocol: &str, content_type: &str) -> String {
    let name = format!("{}-{protocol}-{}", std::process::id(), content_type.len());
    let place = Place(std::env::temp_dir().join(format!("interop-peer-{name}")));
    let flags = flags(&place.0, protocol, content_type);
    let mut server = Command::new(PEER)
        .arg("server")
        .args(&flags)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    let _server = Server(server);
    let mut ready = String::new();
    out.read_line(&mut ready).unwrap();
    assert!(ready.starts_with("ready 127.0.0.1:"), "{ready}");
    let client = Command::new(PEER)
        .arg("client")
        .args(&flags)
        .output()
        .unwrap();
    let said = String::from_utf8(client.stdout).unwrap();
    assert!(client.status.success(), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn every_case_passes_over_native() {
    assert_eq!(run("native", "application/json"), "33 passed, 0 failed");
    assert_eq!(run("native", "application/protobuf"), "32 passed, 0 failed");
}

#[test]
fn every_case_passes_over_grpc() {
    assert_eq!(run("grpc", "application/json"), "33 passed, 0 failed");
    assert_eq!(run("grpc", "application/protobuf"), "32 passed, 0 failed");
}

#[test]
fn every_case_passes_over_mucp() {
    assert_eq!(run("mucp", "application/json"), "33 passed, 0 failed");
    assert_eq!(run("mucp", "application/protobuf"), "32 passed, 0 failed");
}

#[test]
fn client_without_a_server_fails_every_case_and_says_so() {
    let client = Command::new(PEER)
        .args([
            "client",
            "-at",
            "127.0.0.1:1",
            "-timeout",
            "300ms",
            "-only",
            "hello,count",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(client.stdout).unwrap();
    assert_eq!(client.status.code(), Some(1), "{said}");
    assert!(
        said.contains("FAIL hello ") && said.ends_with("0 passed, 2 failed\n"),
        "{said}"
    );
}
