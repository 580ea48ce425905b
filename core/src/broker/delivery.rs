//! What a subscription gives, and how it is acknowledged.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::Event;
use crate::error::{Error, Result};

/// Takes the word on a delivery.
type Acknowledge = Box<dyn FnOnce(Result<()>) + Send>;

/// An event for one subscriber, to be acknowledged when its work is done.
///
/// Dropped without a word it counts as not acknowledged, as after a panic or a cancelled task.
#[must_use = "an event that is not acknowledged is delivered again"]
pub struct Delivery {
    topic: Arc<str>,
    event: Event,
    settle: Option<Acknowledge>,
}

impl Delivery {
    /// A delivery whose end, acknowledged or failed, is told to `settle`: exactly once, and from any
    /// thread, so it must not block.
    pub fn new(
        topic: Arc<str>,
        mut event: Event,
        settle: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Self {
        event.arrive();
        Delivery {
            topic,
            event,
            settle: Some(Box::new(settle)),
        }
    }

    /// The topic it was published to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Done: it is not delivered again.
    pub fn ack(mut self) {
        self.settle(Ok(()));
    }

    /// Failed: another member of the queue may take it.
    pub fn nack(mut self, why: Error) {
        self.settle(Err(why));
    }

    fn settle(&mut self, result: Result<()>) {
        if let Some(settle) = self.settle.take() {
            settle(result);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.settle(Err(Error::cancelled(
            "it was dropped without being acknowledged",
        )));
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", &self.topic)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// The events that one subscriber is given, as they come. Dropping it ends the subscription at once.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    deliveries: Deliveries,
    close: Close,
}

/// What comes, until the subscription is closed.
pub(crate) type Deliveries = Pin<Box<dyn Stream<Item = Delivery> + Send>>;

/// Closes a subscription while it is awaited.
pub(super) type Close = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Subscription {
    /// A subscription that gives `deliveries`.
    ///
    /// `close`, when it is awaited, ends it in order: nothing new is sent here, the stream gives what
    /// had come already and ends, and when all of that is acknowledged or failed `close` ends too.
    /// Dropping the stream ends it as well; what it still held goes to others.
    pub fn new(
        deliveries: impl Stream<Item = Delivery> + Send + 'static,
        close: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Subscription {
            deliveries: Box::pin(deliveries),
            close: Box::pin(close),
        }
    }

    /// The next event; `None` when the broker has ended the subscription.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.deliveries.as_mut().poll_next(cx)).await
    }

    /// Ends it in order: nothing more is sent here, what was not taken yet goes to others, and what
    /// was is waited for.
    pub async fn close(self) {
        drop(self.deliveries);
        self.close.await;
    }

    /// What comes, and how to end it while taking what still comes.
    pub(crate) fn into_parts(self) -> (Deliveries, Close) {
        (self.deliveries, self.close)
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.deliveries.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
