//! The parameter and the result of a handler: one message, or a stream of messages.

use crate::{
    codec::{Codecs, Message, Streaming},
    error::Result,
    message::{Body, ContentType, Response},
    metadata::Metadata,
    node::Value,
};

/// One message, or [`Streaming`] of messages, in the signature of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a Micro message nor a stream of them",
    label = "this type cannot be sent or received",
    note = "add `#[derive(micro::Message)]` to the message type, or use `micro::Streaming<T>` for a stream of `T`"
)]
pub trait Payload: Sized + Send + 'static {
    /// Whether it is a stream.
    const STREAM: bool;

    /// The default content type.
    fn content_type() -> ContentType;

    /// Encodes it.
    fn into_body(self, content_type: &ContentType, codecs: &Codecs) -> Result<Body>;

    /// Decodes it.
    fn from_body(content_type: &ContentType, codecs: &Codecs, body: Body) -> Result<Self>;

    /// The schema of a message.
    fn schema() -> Value;

    /// Takes the metadata beside it, which only a [`Reply`](crate::Reply) has.
    fn take_metadata(&mut self) -> Metadata {
        Metadata::new()
    }

    /// Receives the metadata of the response, which only a [`Reply`](crate::Reply) keeps.
    fn note(&mut self, _: &Response) {}
}

impl<T: Message> Payload for T {
    const STREAM: bool = false;

    fn content_type() -> ContentType {
        <T as Message>::content_type()
    }

    fn into_body(self, content_type: &ContentType, codecs: &Codecs) -> Result<Body> {
        self.encode(content_type, codecs).map(Body::from)
    }

    fn from_body(content_type: &ContentType, codecs: &Codecs, body: Body) -> Result<Self> {
        T::decode(content_type, codecs, body.into_bytes()?)
    }

    fn schema() -> Value {
        <T as Message>::schema()
    }
}

impl<T: Message> Payload for Streaming<T> {
    const STREAM: bool = true;

    fn content_type() -> ContentType {
        T::content_type()
    }

    fn into_body(self, content_type: &ContentType, codecs: &Codecs) -> Result<Body> {
        Ok(self.encode(content_type, codecs))
    }

    fn from_body(content_type: &ContentType, codecs: &Codecs, body: Body) -> Result<Self> {
        Ok(Streaming::decode(
            content_type.clone(),
            codecs.clone(),
            body,
        ))
    }

    fn schema() -> Value {
        T::schema()
    }

    fn note(&mut self, _: &Response) {
        self.set_answer();
    }
}
