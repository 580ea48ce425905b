//! [`Reply`], a response with metadata.

use crate::{
    codec::{Codecs, Payload},
    error::Result,
    message::{Body, ContentType, Response, Trailers},
    metadata::Metadata,
    node::Value,
};

/// A response with metadata: a message, or a [`Streaming`](crate::Streaming) of messages.
///
/// Entries are sent before the first message, as headers in HTTP. Those whose names begin
/// with `trailer-` are sent after the last message if the protocol has trailers, without the prefix. An
/// error has its own [metadata](crate::Error::metadata_mut), with the same names.
///
/// ```
/// use micro::{Context, Reply, Result, Router};
///
/// async fn hello(_: Context, name: String) -> Result<Reply<String>> {
///     Ok(Reply::new(format!("Hello {name}")).with("greeter", "Zaphod"))
/// }
///
/// let router = Router::new().handle("Greeter.Hello", hello);
/// ```
#[derive(Debug)]
pub struct Reply<T> {
    value: T,
    metadata: Metadata,
    trailers: Option<Trailers>,
}

impl<T> Reply<T> {
    /// Creates a response without metadata.
    pub fn new(value: T) -> Self {
        Reply {
            value,
            metadata: Metadata::new(),
            trailers: None,
        }
    }

    /// Adds an entry of metadata, beside those of the same name.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.metadata.append(name, value.as_ref());
        self
    }

    /// Returns the metadata. For a caller, that is what the server sent.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the metadata for changes.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Replaces the message.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply {
            value: change(self.value),
            metadata: self.metadata,
            trailers: self.trailers,
        }
    }

    /// Returns the message.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Returns the message for changes, such as to read a stream.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Returns the trailers of a stream, for callers, once the stream has ended. Trailers of
    /// a single message are in the metadata, under `trailer-`.
    pub fn trailers(&self) -> Metadata {
        self.trailers
            .as_ref()
            .map_or(Metadata::new(), Trailers::get)
    }
}

impl<T: Payload> Payload for Reply<T> {
    const STREAM: bool = T::STREAM;

    fn content_type() -> ContentType {
        T::content_type()
    }

    fn into_body(self, content_type: &ContentType, codecs: &Codecs) -> Result<Body> {
        self.value.into_body(content_type, codecs)
    }

    fn from_body(content_type: &ContentType, codecs: &Codecs, body: Body) -> Result<Self> {
        T::from_body(content_type, codecs, body).map(Reply::new)
    }

    fn schema() -> Value {
        T::schema()
    }

    fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.metadata)
    }

    fn note(&mut self, response: &Response) {
        self.metadata = response.metadata().clone();
        self.trailers = response.follower();
        self.value.note(response);
    }
}
