//! Any node.

use super::{Rng, Snapshot, Strategy, TriedNodes, first_usable};

/// Each node as often as the others, whatever their own weights; version weights hold.
#[derive(Debug, Default)]
pub struct Random {
    rng: Rng,
}

impl Random {
    /// With random numbers from `rng`.
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
