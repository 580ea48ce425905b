//! The events that a publisher holds until they are acknowledged: bounded in number and in bytes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::Stats;
use crate::{
    broker::in_flight::{InFlight, InFlightGuard},
    error::{Error, Outcome, Result},
};

/// The largest number of events held.
const MAX_EVENTS: usize = 10_000;
/// The largest total size of their bodies.
const MAX_BYTES: usize = 64 << 20;

/// The events of one process that are not acknowledged.
#[derive(Default)]
pub(super) struct Pending {
    bytes: Mutex<usize>,
    in_flight: InFlight,
    redelivered: AtomicU64,
    dropped: AtomicU64,
}

/// The place of one event, until dropped.
pub(super) struct Reservation {
    pending: Arc<Pending>,
    size: usize,
    _held: InFlightGuard,
}

impl Pending {
    /// Reserves a place for an event of this size.
    ///
    /// # Errors
    /// `ResourceExhausted`, *not sent*, if the limit is reached.
    pub(super) fn reserve(self: &Arc<Self>, size: usize) -> Result<Arc<Reservation>> {
        let mut bytes = self.bytes.lock();
        let events = self.in_flight.count();
        if events >= MAX_EVENTS || *bytes + size > MAX_BYTES {
            return Err(Error::resource_exhausted(format!(
                "{events} events of {bytes} bytes wait to be acknowledged; at most {MAX_EVENTS} and {MAX_BYTES} bytes \
                 are kept"
            ))
            .with_outcome(Outcome::NotSent));
        }
        *bytes += size;
        Ok(Arc::new(Reservation {
            pending: self.clone(),
            size,
            _held: self.in_flight.hold(),
        }))
    }

    /// Waits until no event is held.
    pub(super) async fn none(&self) {
        self.in_flight.none().await;
    }

    pub(super) fn redelivers(&self) {
        self.redelivered.fetch_add(1, Relaxed);
    }

    pub(super) fn drops(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            pending: self.in_flight.count(),
            redelivered: self.redelivered.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.pending.bytes.lock() -= self.size;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_in_number_and_in_size() {
        let pending = Arc::new(Pending::default());
        let large = pending.reserve(MAX_BYTES).unwrap();
        let refused = pending.reserve(1).map(drop).unwrap_err();
        assert_eq!(refused.outcome(), Outcome::NotSent);
        drop(large);
        let small: Vec<_> = (0..MAX_EVENTS)
            .map(|_| pending.reserve(1).unwrap())
            .collect();
        assert!(pending.reserve(0).is_err());
        assert_eq!(pending.stats().pending, MAX_EVENTS);
        drop(small);
        assert_eq!(pending.stats().pending, 0);
        assert!(pending.reserve(MAX_BYTES).is_ok());
    }
}
