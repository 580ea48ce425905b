//! The number of deliveries of a subscription that are neither acknowledged nor rejected.

use tokio::sync::watch;

/// A count that can be waited for.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(watch::Sender<usize>);

/// One delivery, until dropped.
pub(super) struct InFlightGuard(InFlight);

impl InFlight {
    /// Adds one.
    pub(super) fn hold(&self) -> InFlightGuard {
        self.0.send_modify(|count| *count += 1);
        InFlightGuard(self.clone())
    }

    /// The present number.
    pub(super) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there is none.
    pub(super) async fn none(&self) {
        let mut count = self.0.subscribe();
        // It cannot fail: the sender is borrowed.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
