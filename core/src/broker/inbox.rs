//! The arriving events of one subscription, for brokers without a server.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    Delivery,
    in_flight::{InFlight, InFlightGuard},
    registrations::RegisteredSubscription,
};
use crate::error::{Error, Outcome};

/// The arriving events of one subscription.
pub(super) struct Inbox {
    pub(super) topic: Arc<str>,
    /// `None` once closed.
    sender: Mutex<Option<mpsc::Sender<Delivery>>>,
    in_flight: InFlight,
    /// Whether its stream is still read.
    open: AtomicBool,
}

/// Why an inbox refused a delivery.
pub(super) enum Rejection {
    Closed,
    Full,
}

impl Inbox {
    /// Creates an inbox with this capacity, and its stream.
    pub(super) fn new(topic: &str, capacity: usize) -> (Arc<Self>, mpsc::Receiver<Delivery>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let inbox = Inbox {
            topic: topic.into(),
            sender: Mutex::new(Some(sender)),
            in_flight: InFlight::default(),
            open: AtomicBool::new(true),
        };
        (Arc::new(inbox), receiver)
    }

    /// Counts an event until the returned value is dropped.
    pub(super) fn hold(&self) -> InFlightGuard {
        self.in_flight.hold()
    }

    /// Adds a delivery; one that is refused is dropped.
    pub(super) fn put(&self, delivery: Delivery) -> Result<(), Rejection> {
        let sent = match &*self.sender.lock() {
            Some(sender) => sender.try_send(delivery),
            None => Err(TrySendError::Closed(delivery)),
        };
        sent.map_err(|error| match error {
            TrySendError::Closed(_) => Rejection::Closed,
            TrySendError::Full(_) => Rejection::Full,
        })
    }

    /// Accepts no more events; the stream yields what has arrived and ends.
    pub(super) fn close(&self) {
        let sender = self.sender.lock().take();
        drop(sender);
    }

    /// Waits until every event that arrived is acknowledged or rejected.
    pub(super) async fn settled(&self) {
        self.in_flight.none().await;
    }

    /// Removes the registrations, and waits until publishers have noticed if the stream is still read.
    pub(super) async fn deregister(
        &self,
        registered: Vec<RegisteredSubscription>,
        deregister_delay: Duration,
    ) {
        for one in registered {
            one.end().await;
        }
        if self.open.load(Relaxed) {
            tokio::time::sleep(deregister_delay).await;
        }
    }
}

/// The stream of an inbox. When it is dropped, the inbox closes, and events that nobody read are rejected.
pub(super) struct Feed {
    receiver: mpsc::Receiver<Delivery>,
    inbox: Arc<Inbox>,
    /// Removes the inbox, so that publishers do not find it.
    remove: Box<dyn Fn() + Send + Sync>,
}

impl Feed {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        receiver: mpsc::Receiver<Delivery>,
        remove: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Feed {
            receiver,
            inbox,
            remove: Box::new(remove),
        }
    }

    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }
}

impl Stream for Feed {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.receiver.poll_recv(cx)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.inbox.open.store(false, Relaxed);
        (self.remove)();
        self.inbox.close();
        while let Ok(delivery) = self.receiver.try_recv() {
            // No work was done for it.
            delivery.nack(gone());
        }
    }
}

/// The error for an event whose subscription has ended.
pub(super) fn gone() -> Error {
    Error::unavailable("the subscription ended").with_outcome(Outcome::Rejected)
}
