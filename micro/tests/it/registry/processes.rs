//! The local registry among real processes: this test binary, run again as [`child`].
#![allow(
    clippy::disallowed_methods,
    reason = "other processes run on the real clock"
)]

use std::{
    borrow::Borrow,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use micro::registry::{Local, Node, Registry, Update};

use super::{ids, local::Place, next, next_set, until};
use crate::process::{Process, when_unwanted};

const TTL: Option<Duration> = Some(Duration::from_secs(60));
const ROLE: &str = "MICRO_TEST_ROLE";
const DIRECTORY: &str = "MICRO_TEST_DIRECTORY";
const ID: &str = "MICRO_TEST_ID";
/// The nodes that are there as long as others come and go.
pub(super) const STEADY: [&str; 2] = ["steady-0", "steady-1"];

fn start(role: &str, id: &str, directory: &Path) -> Process {
    let own = Command::new(std::env::current_exe().unwrap());
    start_by(own, role, id, directory)
}

/// Started by a command that ends in this test binary, or is it.
pub(super) fn start_by(command: Command, role: &str, id: &str, directory: &Path) -> Process {
    let variables = [
        (ROLE, role.as_ref()),
        (ID, id.as_ref()),
        (DIRECTORY, directory.as_os_str()),
    ];
    Process::start_by(command, "registry::processes::child", &variables)
}

/// Not a test: what the processes of the tests here run, until their standard input ends.
#[test]
#[ignore = "run by other tests as a process of its own"]
fn child() {
    let (Ok(role), Ok(id), Some(directory)) = (
        std::env::var(ROLE),
        std::env::var(ID),
        std::env::var_os(DIRECTORY),
    ) else {
        return;
    };
    let (ended, mut end) = tokio::sync::watch::channel(());
    when_unwanted(move || drop(ended));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // The user's own, where none is given.
        let registry = match directory.is_empty() {
            true => Local::new(),
            false => Local::at(directory),
        };
        let node = Node::new("greeter", &*id, "127.0.0.1:1");
        registry.register(&node, TTL).await.unwrap();
        let work = async {
            match &*role {
                "hold" => std::future::pending().await,
                "change" => change(&registry, &node).await,
                "meet" => meet(&registry, &node).await,
                "churn" => churn(&registry, &node).await,
                other => panic!("no role `{other}`"),
            }
        };
        tokio::select! {
            () = work => {}
            _ = end.changed() => {}
        }
    });
}

/// Changes its record without a pause.
async fn change(registry: &Local, node: &Node) {
    for weight in 0u64.. {
        let changed = node.clone().with_metadata("weight", weight.to_string());
        registry.register(&changed, TTL).await.unwrap();
    }
}

/// Waits for the other of two, says that it has met it, and goes on reading.
async fn meet(registry: &Local, node: &Node) {
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &STEADY).await;
    let met = node.clone().with_metadata("met", "true");
    registry.register(&met, TTL).await.unwrap();
    loop {
        let nodes = registry.get("greeter").await.unwrap();
        assert!(nodes.contains(&met), "it was taken out: {nodes:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Comes and goes without a pause, and reads, so that it buries the dead too.
async fn churn(registry: &Local, node: &Node) {
    loop {
        registry.register(node, TTL).await.unwrap();
        let nodes = registry.get("greeter").await.unwrap();
        assert!(
            nodes.contains(node) && has_all(&nodes, &STEADY),
            "{nodes:?}"
        );
        registry.deregister(node).await.unwrap();
        assert!(!registry.get("greeter").await.unwrap().contains(node));
        assert_eq!(registry.list().await.unwrap(), ["greeter"]);
    }
}

/// A noisy machine may be late twice, not three times.
#[tokio::test]
async fn killed_process_is_gone_for_watches_within_50_ms() {
    let place = Place::new();
    let mut updates = place.registry().watch(Some("greeter")).await.unwrap();
    until(&mut updates, &[]).await;
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut process = start("hold", "greeter-1", place.path());
        until(&mut updates, &["greeter-1"]).await;
        let begun = Instant::now();
        process.kill();
        let (nodes, authoritative) = next_set(&mut updates).await;
        took.push(begun.elapsed());
        assert!(nodes.is_empty() && authoritative);
        assert_eq!(place.files().len(), 0, "its record is removed");
        if took.last() < Some(&Duration::from_millis(50)) {
            return;
        }
    }
    panic!("a killed process was gone only after {took:?}");
}

#[tokio::test]
async fn what_was_killed_unwatched_is_gone_for_the_next_reader() {
    let place = Place::new();
    let reader = place.registry();
    let mut process = start("hold", "greeter-1", place.path());
    while reader.get("greeter").await.unwrap().is_empty() {}
    process.kill();
    assert!(reader.get("greeter").await.unwrap().is_empty());
    assert_eq!(place.files().len(), 0);
}

#[tokio::test]
async fn stopped_process_does_not_deregister_its_successor() {
    let place = Place::new();
    let reader = place.registry();
    let older = start("hold", "greeter-1", place.path());
    while reader.get("greeter").await.unwrap().is_empty() {}
    let newer = start("hold", "greeter-1", place.path());
    while place.files().iter().filter(|file| is_record(file)).count() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(older.finish());
    assert_eq!(reader.get("greeter").await.unwrap().len(), 1);
    assert!(newer.finish());
    assert!(reader.get("greeter").await.unwrap().is_empty());
}

/// Processes come, go, change and are killed for three seconds, and all of them read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_churn_no_living_node_is_ever_shown_dead() {
    let place = Place::new();
    let mut processes = vec![
        start("hold", STEADY[0], place.path()),
        start("change", STEADY[1], place.path()),
    ];
    let registry = place.registry();
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &STEADY).await;
    for number in 0..3 {
        processes.push(start("churn", &format!("churn-{number}"), place.path()));
    }
    let end = Instant::now() + Duration::from_secs(3);
    let reading = async {
        let mut count = 0;
        while Instant::now() < end {
            let nodes = registry.get("greeter").await.unwrap();
            assert!(has_all(&nodes, &STEADY), "read {nodes:?}");
            count += 1;
        }
        count
    };
    let watching = async {
        let (mut sets, mut kills) = (0, 0);
        while Instant::now() < end {
            let mut victim = start("hold", "victim", place.path());
            let mut is_killed = false;
            loop {
                let Update::Set {
                    nodes,
                    authoritative,
                    ..
                } = next(&mut updates).await
                else {
                    panic!("the directory is there");
                };
                assert!(authoritative && has_all(&nodes, &STEADY), "shown {nodes:?}");
                sets += 1;
                let is_there = ids(&nodes).contains(&"victim");
                if is_killed && !is_there {
                    break;
                }
                if !is_killed && is_there {
                    victim.kill();
                    is_killed = true;
                }
            }
            kills += 1;
        }
        (sets, kills)
    };
    let (reads, (sets, kills)) = tokio::join!(reading, watching);
    assert!(
        reads > 50 && sets > 50 && kills > 2,
        "{reads} reads, {sets} sets, {kills} kills"
    );
    // The steady ones last: the others look for them.
    for process in processes.into_iter().rev() {
        assert!(process.finish(), "a process saw something wrong");
    }
}

pub(super) fn has_all(nodes: &[impl Borrow<Node>], expected: &[&str]) -> bool {
    let ids = ids(nodes);
    expected.iter().all(|id| ids.contains(id))
}

fn is_record(file: &Path) -> bool {
    !file
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
