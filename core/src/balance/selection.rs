//! The node picked for an attempt.

use std::sync::Arc;

use crate::{
    error::Error,
    selector::{Member, Set, TriedNodes},
    transport::{Attempt, Peer},
};

/// A picked node.
#[derive(Clone)]
pub(super) struct Selection {
    pub(super) set: Arc<Set<Arc<dyn Peer>>>,
    pub(super) index: usize,
}

/// A failed first attempt.
pub(super) struct Failure {
    pub(super) selection: Selection,
    pub(super) attempt: Attempt,
    pub(super) error: Error,
}

impl Selection {
    pub(super) fn peer(&self) -> &Arc<dyn Peer> {
        &self.set.slots()[self.index]
    }

    pub(super) fn member(&self) -> &Member {
        self.set.snapshot().get(self.index)
    }

    /// Whether another node is left; otherwise giving this attempt up would only lose its answer.
    pub(super) fn has_other(&self, tried: &TriedNodes) -> bool {
        let snapshot = self.set.snapshot();
        let mut others = (0..snapshot.len()).filter(|index| *index != self.index);
        others.any(|index| snapshot.is_usable(index, tried))
    }
}
