use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use super::*;
use crate::{Code, node::Endpoint, registry::Scope, selector::cache::disk};

/// A directory that goes with its test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("micro-selector-{name}-{}", std::process::id());
        Directory(std::env::temp_dir().join(name))
    }

    pub(super) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(directory: &Path, service: &str) -> crate::Result<Option<disk::SavedNodes>> {
    disk::read(directory, service, Scope::Network)
}

#[test]
fn what_is_written_is_read_and_endpoints_are_shared() {
    let directory = Directory::new("round");
    let named = |id: &str, endpoint| {
        let mut node = node(id).with_metadata("zone", "x");
        node.service = "topic:a/../b".into();
        Arc::new(node.with_endpoints([Endpoint::new(endpoint)]))
    };
    let nodes = [named("a", "A"), named("b", "A"), named("c", "B")];
    disk::write(&directory, "topic:a/../b", &nodes).unwrap();
    assert_eq!(directory.files(), ["topic%3Aa%2F%2E%2E%2Fb.json"]);
    let saved = read(&directory, "topic:a/../b").unwrap().unwrap();
    assert!(saved.nodes.iter().eq(nodes.iter().map(|node| &**node)));
    assert!(Arc::ptr_eq(
        &saved.nodes[0].endpoints,
        &saved.nodes[1].endpoints
    ));
}

#[test]
fn damaged_file_is_a_named_error_and_a_missing_one_is_none() {
    let directory = Directory::new("damaged");
    disk::write(&directory, "greeter", &[Arc::new(node("a"))]).unwrap();
    assert!(read(&directory, "other").unwrap().is_none());
    let path = directory.join("greeter.json");
    let whole = std::fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"", b"\xff", b"{}"] {
        std::fs::write(&path, bytes).unwrap();
        let error = read(&directory, "greeter").err().unwrap();
        assert_eq!(error.code(), Code::DataLoss);
        assert!(error.message().contains("greeter.json`"), "{error}");
    }
    std::fs::rename(&path, directory.join("other.json")).unwrap();
    std::fs::write(directory.join("other.json"), whole).unwrap();
    assert!(read(&directory, "other").is_err(), "another service's file");
}

#[test]
fn snapshot_is_held_to_what_records_of_the_registry_are() {
    let directory = Directory::new("checked");
    let at = |id: &str, address: &str| {
        let mut node = node(id);
        node.address = address.into();
        Arc::new(node)
    };
    let nodes = [
        at("good", "10.0.0.1:80"),
        at("socket", "unix:/run/docker.sock"),
        at("nowhere", "0.0.0.0:80"),
        Arc::new(node("large").with_metadata("k", "x".repeat(100_000))),
    ];
    disk::write(&directory, "greeter", &nodes).unwrap();
    let saved = read(&directory, "greeter").unwrap().unwrap();
    let ids: Vec<_> = saved.nodes.iter().map(|node| &*node.id).collect();
    assert_eq!(ids, ["good"]);
}

#[test]
fn snapshot_of_more_than_a_week_is_not_used() {
    use std::time::{Duration, SystemTime};

    let directory = Directory::new("old");
    disk::write(&directory, "greeter", &[Arc::new(node("a"))]).unwrap();
    let path = directory.join("greeter.json");
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let day = Duration::from_secs(24 * 3600);
    file.set_modified(SystemTime::now() - 6 * day).unwrap();
    assert!(read(&directory, "greeter").unwrap().is_some());
    file.set_modified(SystemTime::now() - 8 * day).unwrap();
    let error = read(&directory, "greeter").err().unwrap();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("8 days old"), "{error}");
}

#[cfg(unix)]
#[test]
fn pipe_in_place_of_a_snapshot_is_not_waited_for() {
    let directory = Directory::new("pipe");
    std::fs::create_dir_all(&*directory).unwrap();
    let path = directory.join("greeter.json");
    let made = std::process::Command::new("mkfifo").arg(path).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skip: a pipe in place of a snapshot: there is no `mkfifo`");
        return;
    }
    assert_eq!(
        read(&directory, "greeter").err().unwrap().code(),
        Code::DataLoss
    );
}
