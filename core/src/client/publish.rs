//! Events: published typed or as they are, and subscribed to outside a service.

use super::Client;
use crate::{
    broker::{Broker, Event, Subscription},
    codec::Message,
    context::Context,
    error::Result,
};

impl Client {
    /// Publishes a message on behalf of `cx`; gives how many received it, a queue counting as one.
    /// None is no error. See the [`broker`](crate::broker) for what is promised.
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

    /// Publishes an event as it is, encoded by the caller.
    pub async fn publish_raw(&self, topic: &str, event: Event) -> Result<usize> {
        let context = event.context().child(self.relay());
        self.broker()
            .publish(topic, event.with_context(context))
            .await
    }

    /// Subscribes to a topic: with a queue to a share of its events, without one to all of them.
    /// A service's own subscribers are rather its handlers: `Service::subscribe`.
    pub async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        self.broker().subscribe(topic, queue).await
    }

    /// Where events go.
    pub fn broker(&self) -> &dyn Broker {
        &*self.parts().broker
    }
}
