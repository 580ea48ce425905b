//! A limit of concurrent requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

#[derive(Debug)]
pub(super) struct Slots {
    taken: AtomicUsize,
    limit: usize,
}

/// A slot of a request, free again on drop.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

impl Slots {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Slots {
            taken: AtomicUsize::new(0),
            limit,
        })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A slot, or `None` if all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let slot = Slot(self.clone());
        // Dropping the slot gives back what was added here.
        let taken = self.taken.fetch_add(1, Relaxed);
        (taken < self.limit).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_slot_is_free_again() {
        let slots = Slots::new(2);
        let held = [slots.take(), slots.take()];
        assert!(held.iter().all(Option::is_some));
        assert!(slots.take().is_none());
        assert!(slots.take().is_none());
        drop(held);
        assert_eq!(slots.taken.load(Relaxed), 0);
        assert!(slots.take().is_some());
    }
}
