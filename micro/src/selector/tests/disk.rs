use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use super::*;
use crate::{Code, registry::Endpoint, selector::cache::disk};

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
    let saved = disk::read(&directory, "topic:a/../b").unwrap().unwrap();
    assert!(saved.nodes.iter().eq(nodes.iter().map(|node| &**node)));
    assert!(Arc::ptr_eq(
        &saved.nodes[0].endpoints,
        &saved.nodes[1].endpoints
    ));
}

#[test]
fn a_damaged_file_is_an_error_that_names_it_and_a_missing_one_is_none() {
    let directory = Directory::new("damaged");
    disk::write(&directory, "greeter", &[Arc::new(node("a"))]).unwrap();
    assert!(disk::read(&directory, "other").unwrap().is_none());
    let path = directory.join("greeter.json");
    let whole = std::fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"", b"\xff", b"{}"] {
        std::fs::write(&path, bytes).unwrap();
        let error = disk::read(&directory, "greeter").err().unwrap();
        assert_eq!(error.code(), Code::DataLoss);
        assert!(error.message().contains("greeter.json`"), "{error}");
    }
    std::fs::rename(&path, directory.join("other.json")).unwrap();
    std::fs::write(directory.join("other.json"), whole).unwrap();
    assert!(
        disk::read(&directory, "other").is_err(),
        "another service's file"
    );
}
