//! Events: publishing, and subscribing outside a service.

use super::Client;
use crate::{
    broker::{Broker, Event, Subscription},
    codec::Message,
    context::Context,
    error::Result,
};

impl Client {
    /// Publishes a message on behalf of `cx`, and returns how many subscribers received it; a queue counts as one.
    /// No subscriber is no error. See [`broker`](crate::broker) for the delivery guarantees.
    pub async fn publish<T: Message>(
        &self,
        cx: &Context,
        topic: &str,
        message: &T,
    ) -> Result<usize> {
        let content_type = T::content_type();
        let body = message.encode(&content_type, self.codecs())?;
        let event = Event::new(content_type, body).with_context(cx.clone());
        self.publish_raw(topic, event).await
    }

    /// Publishes an event whose body is already encoded.
    pub async fn publish_raw(&self, topic: &str, event: Event) -> Result<usize> {
        let context = event.context().child(self.relay());
        self.broker()
            .publish(topic, event.with_context(context))
            .await
    }

    /// Subscribes to a topic: with a queue to a share of its events, without one to all of them. In a service, use
    /// `Service::subscribe` instead.
    pub async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        self.broker().subscribe(topic, queue).await
    }

    /// The broker.
    pub fn broker(&self) -> &dyn Broker {
        &*self.parts().broker
    }
}
