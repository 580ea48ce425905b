//! What is published.

use bytes::Bytes;

use crate::{
    context::{Context, Relay},
    message::ContentType,
};

/// An event: what travels with it, and the body in some content type. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Event {
    context: Context,
    content_type: ContentType,
    body: Bytes,
}

impl Event {
    /// An event in a fresh context.
    pub fn new(content_type: ContentType, body: impl Into<Bytes>) -> Self {
        Event {
            context: Context::new(),
            content_type,
            body: body.into(),
        }
    }

    /// The same in another context, of which metadata, criticality and trace reach subscribers.
    pub fn with_context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Notes that it has come to a subscriber.
    pub(super) fn arrive(&mut self) {
        self.context.arrive();
    }

    /// What travels with it.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// How the body is encoded.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Removes what binds the event to its publisher's call: deadline and attempts.
    pub(super) fn detached(self) -> Self {
        let publisher = self.context;
        let mut context = Context::new()
            .with_criticality(publisher.criticality())
            .with_trace(*publisher.trace());
        *context.metadata_mut() = publisher.child(&Relay::default()).metadata().clone();
        Event { context, ..self }
    }

    /// Context, content type and body.
    pub fn into_parts(self) -> (Context, ContentType, Bytes) {
        (self.context, self.content_type, self.body)
    }
}
