//! By weight alone.

use super::{Rng, Snapshot, Strategy, TriedNodes, first_usable};

/// Each node as often as its weight says, whatever its load.
#[derive(Debug, Default)]
pub struct Weighted {
    rng: Rng,
}

impl Weighted {
    /// Creates the strategy, with random numbers of `rng`.
    pub fn new(rng: Rng) -> Self {
        Weighted { rng }
    }
}

impl Strategy for Weighted {
    fn name(&self) -> &str {
        "weighted"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        first_usable(snapshot, tried, self.rng.dice(), |dice| snapshot.draw(dice))
    }
}
