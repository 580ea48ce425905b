//! Time of a pick of a node.

use micro::{
    registry::Node,
    selector::{Rng, Snapshot, Strategy, TriedNodes, strategy::P2c},
};
use std::{hint::black_box, time::Instant};

const PICKS: u32 = 500_000;

/// Nanoseconds of a pick by two choices among `count` nodes.
pub(super) fn nanoseconds(count: usize) -> f64 {
    let nodes = (0..count).map(|number| super::idle::node("picked", number));
    let snapshot = Snapshot::of(nodes.collect::<Vec<Node>>());
    let strategy = P2c::new(Rng::seeded(1));
    let tried = TriedNodes::new();
    let pick = || {
        let index = strategy.pick(black_box(&snapshot), black_box(&tried));
        black_box(index);
    };
    (0..PICKS / 10).for_each(|_| pick());
    let begun = Instant::now();
    (0..PICKS).for_each(|_| pick());
    begun.elapsed().as_nanos() as f64 / f64::from(PICKS)
}
