//! A random node.

use super::{Rng, Snapshot, Strategy, TriedNodes, first_usable};

/// Each node equally often, whatever its weight; version weights apply.
#[derive(Debug, Default)]
pub struct Random {
    rng: Rng,
}

impl Random {
    /// Creates the strategy, with random numbers of `rng`.
    pub fn new(rng: Rng) -> Self {
        Random { rng }
    }
}

impl Strategy for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        first_usable(snapshot, tried, self.rng.dice(), |dice| {
            let group = snapshot.draw_group(dice)?;
            Some(group.start + dice.below(group.len() as u32) as usize)
        })
    }
}
