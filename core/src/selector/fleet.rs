//! What the loads of one service have in common.

use crate::{
    random::Rng,
    sync::{AtomicU64, Ordering},
};

/// What the loads of one service share.
#[derive(Debug)]
pub struct Fleet {
    ids: AtomicU64,
    /// How often a node was ejected or came back.
    changes: AtomicU64,
    rng: Rng,
}

impl Fleet {
    /// A service without nodes; `rng` gives the jitter of ejections.
    pub fn new(rng: Rng) -> Self {
        Fleet {
            ids: AtomicU64::new(1),
            changes: AtomicU64::new(0),
            rng,
        }
    }

    /// A number for a node that no other has.
    pub(super) fn number(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Where the jitter of ejections comes from.
    pub(super) fn rng(&self) -> &Rng {
        &self.rng
    }

    /// How often a node was ejected or came back: while it stays, so does who is ejected.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Notes that a node was ejected or came back.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}
