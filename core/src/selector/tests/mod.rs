//! Tests of the module, a file a topic; time is numbers here, or tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod cache;
mod disk;
mod health;
mod load;
mod picker;
mod registry;
mod set;
mod strategies;

use std::sync::Arc;

use super::{Fleet, Load, Snapshot, Verdict, VersionWeights};
use crate::{node::Node, random::Rng};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// When tests begin: late enough that nothing is warming up.
const START: u64 = 1_000 * SECOND;

const WELL: Verdict = Verdict::Answered { server_load: 0 };

fn fleet() -> Arc<Fleet> {
    Arc::new(Fleet::new(Rng::seeded(7)))
}

/// A node long in service.
fn load(fleet: &Arc<Fleet>) -> Arc<Load> {
    Arc::new(Load::new(fleet, 0))
}

/// One call that took so long and ended so.
fn call(load: &Load, now: u64, took: u64, verdict: Verdict) -> Option<u64> {
    load.begin(now - took);
    load.end(now, now - took, verdict)
}

/// Fails as often as it takes to be ejected; until when it is.
fn eject(load: &Load, now: u64) -> u64 {
    (0..5)
        .find_map(|_| call(load, now, 0, Verdict::Failed))
        .unwrap()
}

fn node(id: &str) -> Node {
    Node::new("greeter", id, format!("{id}:80"))
}

/// A snapshot of nodes long in service, at [`START`].
fn snapshot(nodes: impl IntoIterator<Item = Node>, versions: &[(&str, u32)]) -> Snapshot {
    let fleet = fleet();
    let versions: VersionWeights = versions
        .iter()
        .map(|(version, weight)| ((*version).to_owned(), *weight))
        .collect();
    let nodes = nodes.into_iter().map(|node| (Arc::new(node), load(&fleet)));
    Snapshot::new(nodes.collect(), &versions, &fleet, START).0
}

/// Nodes `n00`, `n01`, …
fn nodes(count: usize) -> Vec<Node> {
    (0..count).map(|i| node(&format!("n{i:02}"))).collect()
}
