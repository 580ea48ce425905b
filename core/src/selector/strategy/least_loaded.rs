//! The node with the fewest calls in flight.

use super::{Rng, Snapshot, Strategy, TriedNodes};

/// The node with the fewest calls in flight for its weight; among equals the first from a random
/// one on. Checks every node at each pick: for dozens of nodes, not for thousands.
#[derive(Debug, Default)]
pub struct LeastLoaded {
    rng: Rng,
}

impl LeastLoaded {
    /// Creates the strategy, with random numbers of `rng`.
    pub fn new(rng: Rng) -> Self {
        LeastLoaded { rng }
    }
}

impl Strategy for LeastLoaded {
    fn name(&self) -> &str {
        "least-loaded"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        let mut dice = self.rng.dice();
        let group = snapshot.draw_group(&mut dice)?;
        let from = dice.below(group.len() as u32) as usize;
        let mut least: Option<(f64, usize)> = None;
        for step in 0..group.len() {
            let index = group.start + (from + step) % group.len();
            if !snapshot.is_usable(index, tried) {
                continue;
            }
            let member = snapshot.get(index);
            let calls = f64::from(member.load.in_flight()) * member.scale;
            if least.is_none_or(|(fewest, _)| calls < fewest) {
                least = Some((calls, index));
            }
        }
        match least {
            Some((_, index)) => Some(index),
            None => snapshot.scan(&mut dice, tried),
        }
    }
}
