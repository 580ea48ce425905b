//! State shared by the loads of one service.

use crate::{
    random::Rng,
    sync::{AtomicU64, Ordering},
};

/// State shared by the loads of one service.
#[derive(Debug)]
pub struct Fleet {
    ids: AtomicU64,
    /// How often a node was ejected or recovered.
    changes: AtomicU64,
    rng: Rng,
}

impl Fleet {
    /// Creates the state of a service without nodes; `rng` gives the jitter of ejections.
    pub fn new(rng: Rng) -> Self {
        Fleet {
            ids: AtomicU64::new(1),
            changes: AtomicU64::new(0),
            rng,
        }
    }

    /// Returns a number for a node that no other has.
    pub(super) fn number(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The source of the jitter of ejections.
    pub(super) fn rng(&self) -> &Rng {
        &self.rng
    }

    /// How often a node was ejected or recovered: while this number stays, so do the ejected nodes.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Counts that a node was ejected or recovered.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}
