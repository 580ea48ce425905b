//! The contract suite of strategies, which each implementation runs in its tests. Needs the feature `test-util`.
//!
//! ```
//! use micro::selector::{contract, strategy::Random, Rng};
//!
//! contract::all(|| Random::new(Rng::new()));
//! ```
//!
//! Panics with the broken rule.

use std::thread;

use super::{Snapshot, Strategy, TriedNodes};
use crate::node::Node;

/// Picks of each thread.
const PICKS: usize = 1000;

/// Runs every rule on strategies that `make` makes.
pub fn all<S: Strategy>(make: impl Fn() -> S) {
    a_name_is_a_word(&make());
    where_there_is_no_node_none_is_picked(&make());
    every_node_is_tried_once_and_then_none(&make());
    a_node_without_a_share_is_not_picked(&make());
    threads_may_pick_at_once(&make());
}

fn snapshot(count: usize) -> Snapshot {
    Snapshot::of((0..count).map(|number| {
        Node::new("contract", format!("contract-{number}"), "10.0.0.1:80")
            .with_metadata("weight", (50 + number).to_string())
    }))
}

fn a_name_is_a_word(strategy: &dyn Strategy) {
    let name = strategy.name();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(
        !name.is_empty() && name.bytes().all(is_word),
        "the name `{name}` can be said in `--selector=NAME`: lower case, digits and hyphens"
    );
}

fn where_there_is_no_node_none_is_picked(strategy: &dyn Strategy) {
    assert_eq!(
        strategy.pick(&snapshot(0), &TriedNodes::new()),
        None,
        "no node"
    );
}

fn every_node_is_tried_once_and_then_none(strategy: &dyn Strategy) {
    for count in [1, 2, 5, 20] {
        let snapshot = snapshot(count);
        let mut tried = TriedNodes::new();
        for attempt in 1..=count {
            let picked = strategy.pick(&snapshot, &tried);
            let index = picked.unwrap_or_else(|| panic!("attempt {attempt} of {count} nodes"));
            assert!(index < count, "node {index} of {count}");
            let member = snapshot.get(index);
            assert!(!tried.contains(member), "node {index} was tried before");
            tried.add(member);
        }
        assert_eq!(strategy.pick(&snapshot, &tried), None, "all were tried");
    }
}

fn a_node_without_a_share_is_not_picked(strategy: &dyn Strategy) {
    let snapshot = Snapshot::of(["0", "100"].map(|weight| {
        Node::new("contract", format!("contract-{weight}"), "10.0.0.1:80")
            .with_metadata("weight", weight)
    }));
    for _ in 0..PICKS {
        let picked = strategy.pick(&snapshot, &TriedNodes::new());
        let index = picked.unwrap_or_else(|| panic!("one of the nodes takes calls"));
        assert!(snapshot.get(index).weight > 0, "it takes no calls");
    }
}

fn threads_may_pick_at_once(strategy: &dyn Strategy) {
    let snapshot = snapshot(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..PICKS {
                    let picked = strategy.pick(&snapshot, &TriedNodes::new());
                    assert!(picked.is_some_and(|index| index < 5), "picked {picked:?}");
                }
            });
        }
    });
}
