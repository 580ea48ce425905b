//! Subscriptions, their deliveries, and acknowledgement.

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

/// Receives the result of a delivery.
type Acknowledge = Box<dyn FnOnce(Result<()>) + Send>;

/// An event for one subscriber, which acknowledges it when its work is done.
///
/// Dropping it counts as a failure, as after a panic or a cancelled task.
#[must_use = "an event that is not acknowledged is delivered again"]
pub struct Delivery {
    topic: Arc<str>,
    event: Event,
    settle: Option<Acknowledge>,
}

impl Delivery {
    /// Creates a delivery whose result is passed to `settle`: exactly once, and on any
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

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Acknowledges the event: it is not delivered again.
    pub fn ack(mut self) {
        self.settle(Ok(()));
    }

    /// Rejects the event: another member of the queue may receive it.
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

/// The events of one subscriber. Dropping it ends the subscription at once.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    deliveries: Deliveries,
    close: Close,
}

/// The deliveries, until the subscription is closed.
pub(crate) type Deliveries = Pin<Box<dyn Stream<Item = Delivery> + Send>>;

/// Closes a subscription when awaited.
pub(super) type Close = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Subscription {
    /// Creates a subscription of `deliveries`.
    ///
    /// `close`, when awaited, ends the subscription in order: no more events are sent here, the stream yields those that
    /// had arrived and ends, and `close` ends when all of them are acknowledged or rejected.
    /// Dropping the stream ends the subscription as well; events that it still held go to others.
    pub fn new(
        deliveries: impl Stream<Item = Delivery> + Send + 'static,
        close: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Subscription {
            deliveries: Box::pin(deliveries),
            close: Box::pin(close),
        }
    }

    /// Returns the next event; `None` if the broker has ended the subscription.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.deliveries.as_mut().poll_next(cx)).await
    }

    /// Ends the subscription in order: no more events are sent here, those not taken yet go to others, and the
    /// others are waited for.
    pub async fn close(self) {
        drop(self.deliveries);
        self.close.await;
    }

    /// Splits the subscription into its deliveries, and what ends it while deliveries are still taken.
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
