//! An answer with metadata beside it.

use crate::{
    codec::{Codecs, Payload},
    error::Result,
    message::{Body, ContentType, Response, Trailers},
    metadata::Metadata,
    node::Value,
};

/// What a handler answers, with metadata beside it: a message, or a [`Streaming`](crate::Streaming) of them.
///
/// Entries go before the first message; HTTP's protocols have them as headers. Those whose names begin
/// with `trailer-` go after the last one where the protocol can say so, without that prefix. An
/// error's own are in its [metadata](crate::Error::metadata_mut), named alike.
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
    /// An answer without metadata so far.
    pub fn new(value: T) -> Self {
        Reply {
            value,
            metadata: Metadata::new(),
            trailers: None,
        }
    }

    /// The same with one more entry of metadata, beside any of the same name.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.metadata.append(name, value.as_ref());
        self
    }

    /// Its metadata; a caller's own view of what the server said.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The same with something else in place of what is answered.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply {
            value: change(self.value),
            metadata: self.metadata,
            trailers: self.trailers,
        }
    }

    /// What is answered.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// What is answered, to be read on.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// What the server said after the last message of a stream, for callers, once that has ended. What
    /// follows a single message is in its metadata, under `trailer-`.
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
