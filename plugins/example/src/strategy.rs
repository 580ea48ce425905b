//! A strategy: which node takes the next attempt.

use micro_core::selector::{Snapshot, Strategy, TriedNodes};

/// Picks the first node that may be used, so that the others stand by.
#[derive(Clone, Copy, Debug, Default)]
pub struct First;

impl Strategy for First {
    fn name(&self) -> &str {
        "first"
    }

    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
        (0..snapshot.len()).find(|index| snapshot.is_usable(*index, tried))
    }
}
