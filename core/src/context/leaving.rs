//! [`Leaving`], the signal that a service has begun to stop, for its handlers and tasks.

use std::fmt;

use tokio::sync::watch;

/// Signals that the service has begun to stop: long-running work should end by itself, before the drain limit does.
///
/// Background tasks receive one (`Service::task`); handlers of streams use [`Context::leaving`](crate::Context::leaving).
#[derive(Clone)]
pub struct Leaving(watch::Receiver<bool>);

impl Leaving {
    /// Whether the service has begun to stop.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the service begins to stop. Returns at once if it has.
    pub async fn wait(&self) {
        // An error means that the service has ended already.
        let _ = self.0.clone().wait_for(|leaving| *leaving).await;
    }
}

impl fmt::Debug for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaving").field(&self.has_begun()).finish()
    }
}

/// Sends the signal.
pub(crate) struct LeavingSignal(watch::Sender<bool>);

impl LeavingSignal {
    pub(crate) fn new() -> Self {
        LeavingSignal(watch::Sender::new(false))
    }

    pub(crate) fn send(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn was_sent(&self) -> bool {
        *self.0.borrow()
    }

    pub(crate) fn receiver(&self) -> Leaving {
        Leaving(self.0.subscribe())
    }
}
