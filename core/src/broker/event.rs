//! [`Event`], what is published.

use bytes::Bytes;

use crate::{
    context::{Context, Relay},
    message::ContentType,
};

/// An event: its context, and its body with a content type. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Event {
    context: Context,
    content_type: ContentType,
    body: Bytes,
}

impl Event {
    /// Creates an event with a fresh context.
    pub fn new(content_type: ContentType, body: impl Into<Bytes>) -> Self {
        Event {
            context: Context::new(),
            content_type,
            body: body.into(),
        }
    }

    /// Sets the context, of which metadata, criticality and trace reach subscribers.
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Marks that the event has reached a subscriber.
    pub(super) fn arrive(&mut self) {
        self.context.arrive();
    }

    /// Returns the context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the content type of the body.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// Returns the body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Removes what ties the event to its publisher's call: deadline and attempts.
    pub(super) fn detached(self) -> Self {
        let publisher = self.context;
        let mut context = Context::new()
            .with_criticality(publisher.criticality())
            .with_trace(*publisher.trace());
        *context.metadata_mut() = publisher.child(&Relay::default()).metadata().clone();
        Event { context, ..self }
    }

    /// Splits the event into context, content type and body.
    pub fn into_parts(self) -> (Context, ContentType, Bytes) {
        (self.context, self.content_type, self.body)
    }
}
