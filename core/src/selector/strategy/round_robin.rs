//! One after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Rng, Snapshot, Strategy, TriedNodes};

/// The nodes in turn, whatever their own weights; version weights hold. A node that may not be
/// picked gives its turn to the next.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turn: AtomicUsize,
    rng: Rng,
}

impl RoundRobin {
    /// Begins at a node that `rng` gives, lest all clients begin at the same one.
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
