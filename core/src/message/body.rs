//! [`Body`]: one message, or a stream of messages.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

use crate::error::{Error, Result};

/// A stream of encoded messages.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The body of a request or response: one message, or a stream of messages. As small as [`Bytes`].
pub struct Body(Inner);

enum Inner {
    Whole(Bytes),
    Stream(BodyStream),
}

impl Body {
    /// An empty body.
    pub const fn empty() -> Self {
        Body(Inner::Whole(Bytes::new()))
    }

    /// A body that is a stream of messages.
    pub fn stream(messages: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Body(Inner::Stream(Box::pin(messages)))
    }

    /// Whether the body is a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.0, Inner::Stream(_))
    }

    /// Returns the message; `None` for a stream.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Whole(bytes) => Some(bytes),
            Inner::Stream(_) => None,
        }
    }

    /// Returns the message, or an error for a stream.
    pub fn into_bytes(self) -> Result<Bytes> {
        match self.0 {
            Inner::Whole(bytes) => Ok(bytes),
            Inner::Stream(_) => Err(Error::invalid_argument(
                "a stream came where one message was expected",
            )),
        }
    }

    /// Returns the messages; a single message is a stream of one.
    pub fn into_stream(self) -> BodyStream {
        match self.0 {
            Inner::Stream(stream) => stream,
            Inner::Whole(bytes) => Box::pin(Once(Some(bytes))),
        }
    }

    /// Takes the body, and leaves an empty one.
    pub fn take(&mut self) -> Body {
        std::mem::take(self)
    }
}

struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body(Inner::Whole(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body(Inner::Whole(bytes.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Inner::Stream(_) => f.write_str("stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_as_small_as_bytes() {
        assert_eq!(size_of::<Body>(), size_of::<Bytes>());
    }
}
