//! What a handler takes and gives: one message, or a stream of them.

use crate::{
    codec::{Codecs, Message, Streaming},
    error::Result,
    message::{Body, ContentType, Response},
    metadata::Metadata,
    node::Value,
};

/// One message, or [`Streaming`] of them: what stands in a handler's signature.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a Micro message nor a stream of them",
    label = "this type cannot be sent or received",
    note = "add `#[derive(micro::Message)]` to the message type, or use `micro::Streaming<T>` for a stream of `T`"
)]
pub trait Payload: Sized + Send + 'static {
    /// Whether it is a stream.
    const STREAM: bool;

    /// What it is encoded in when nobody asks for anything else.
    fn content_type() -> ContentType;

    /// Its encoded form.
    fn into_body(self, content_type: &ContentType, codecs: &Codecs) -> Result<Body>;

    /// Itself, of an encoded form.
    fn from_body(content_type: &ContentType, codecs: &Codecs, body: Body) -> Result<Self>;

    /// The field tree of a message.
    fn schema() -> Value;

    /// What is said beside it, taken out; only a [`Reply`](crate::Reply) has any.
    fn take_metadata(&mut self) -> Metadata {
        Metadata::new()
    }

    /// Takes note of the response that it is of: a [`Reply`](crate::Reply) of what was said beside it.
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
