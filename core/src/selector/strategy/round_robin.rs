//! The nodes in turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Rng, Snapshot, Strategy, TriedNodes};

/// The nodes in turn, whatever their weights; version weights apply. A node that cannot be
/// picked passes its turn to the next.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turn: AtomicUsize,
    rng: Rng,
}

impl RoundRobin {
    /// Creates the strategy. It begins at a random node, so that clients do not all begin at the same one.
    pub fn new(rng: Rng) -> Self {
        RoundRobin {
            // Far from where a turn would wrap.
            turn: AtomicUsize::new(rng.dice().below(u32::MAX) as usize),
            rng,
        }
    }
}

impl Strategy for RoundRobin {
    fn name(&self) -> &str {
        "round-robin"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        let mut dice = self.rng.dice();
        let group = snapshot.draw_group(&mut dice)?;
        let from = self.turn.fetch_add(1, Ordering::Relaxed) % group.len();
        let at = |step| group.start + (from + step) % group.len();
        (0..group.len())
            .map(at)
            .find(|index| snapshot.is_usable(*index, tried))
            .or_else(|| snapshot.scan(&mut dice, tried))
    }
}
