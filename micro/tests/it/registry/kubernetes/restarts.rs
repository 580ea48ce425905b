//! An API server of the test's own that is killed, hung and emptied.

use std::{path::PathBuf, process::Command, time::Duration};

use micro::registry::Registry;
use tokio::time::timeout;

use super::cluster::{Cluster, node, open};
use crate::registry::{
    backend, ids,
    losses::{comes, stale},
    until,
};

/// An API server by the project's script, in a folder of its own; it is down when this is dropped.
struct Own {
    folder: PathBuf,
}

impl Own {
    fn start() -> Self {
        let name = format!("micro-kubernetes-{}", std::process::id());
        let own = Own {
            folder: std::env::temp_dir().join(name),
        };
        own.run(&["up", "kubernetes"]);
        own
    }

    fn run(&self, arguments: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/backends");
        let output = Command::new(script)
            .args(arguments)
            .env("MICRO_BACKENDS_DIR", &self.folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn cluster(&self) -> Cluster {
        let said = self.run(&["env", "kubernetes"]);
        let variable = |name: &str| {
            let start = format!("export {name}=");
            let mut lines = said.lines();
            let value = lines.find_map(|line| line.strip_prefix(&start)).unwrap();
            value.trim_matches(['\'', '"']).to_owned()
        };
        Cluster::at(
            variable("MICRO_TEST_KUBERNETES"),
            variable("MICRO_TEST_KUBERNETES_TOKEN"),
            variable("MICRO_TEST_KUBERNETES_CA"),
        )
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.run(&["down", "kubernetes"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_node_is_lost_when_the_server_is_killed_hung_or_emptied() {
    if backend::server("kubernetes").is_none() {
        return;
    }
    if !crate::skip::is_slow_wanted("a Kubernetes that fails") {
        return;
    }
    let own = Own::start();
    let cluster = own.cluster();
    cluster.pod("one");
    // With the last data its certificate goes as well.
    let registry = open(&cluster.url("&pod=one&tls-insecure=true"));
    registry.register(&node("greeter", 1), None).await.unwrap();
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1"]).await;

    own.run(&["kill", "kubernetes"]);
    timeout(Duration::from_secs(2), stale(&mut updates))
        .await
        .unwrap();
    assert!(registry.register(&node("greeter", 2), None).await.is_err());
    own.run(&["up", "kubernetes"]);
    registry.register(&node("greeter", 2), None).await.unwrap();
    comes(&mut updates, &["greeter-1", "greeter-2"]).await;

    own.run(&["kill", "kubernetes", "STOP"]);
    let hung = async {
        while timeout(Duration::from_secs(5), stale(&mut updates))
            .await
            .is_err()
        {}
    };
    timeout(Duration::from_secs(15), hung).await.unwrap();
    own.run(&["kill", "kubernetes", "CONT"]);
    registry.register(&node("greeter", 3), None).await.unwrap();
    comes(&mut updates, &["greeter-1", "greeter-2", "greeter-3"]).await;

    own.run(&["kill", "kubernetes"]);
    own.run(&["up", "--empty", "kubernetes"]);
    assert!(registry.get("greeter").await.unwrap().is_empty());
    cluster.make();
    cluster.pod("one");
    registry.register(&node("greeter", 4), None).await.unwrap();
    let all = ["greeter-1", "greeter-2", "greeter-3", "greeter-4"];
    comes(&mut updates, &all).await;
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-4"]);
    drop(cluster);
}
