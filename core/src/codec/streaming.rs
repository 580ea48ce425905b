//! A stream of messages, on either side of a call.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

use crate::{
    codec::{
        Codecs, Message,
        channel::{self, Receiver, channel},
        wrong,
    },
    error::{Error, Result},
    message::{Body, BodyStream, ContentType},
};

/// A stream of messages: received one at a time, or to be sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> micro::Result<()> {
/// use micro::Streaming;
///
/// let (sender, mut stream) = Streaming::channel(8);
/// sender.send("hello".to_string()).await?;
/// drop(sender);
/// assert_eq!(stream.next().await.transpose()?, Some("hello".to_string()));
/// assert!(stream.next().await.is_none());
/// # Ok(()) }
/// ```
pub struct Streaming<T>(Source<T>);

enum Source<T> {
    Typed(Pin<Box<dyn Stream<Item = Result<T>> + Send>>),
    Channel(Receiver<Result<T>>),
    Encoded {
        stream: BodyStream,
        content_type: ContentType,
        codecs: Codecs,
        /// Whether it is a response.
        is_answer: bool,
    },
}

impl<T: Send + 'static> Streaming<T> {
    /// Creates a stream of the messages of another stream; an error ends it.
    pub fn new(messages: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Streaming(Source::Typed(Box::pin(messages)))
    }

    /// Creates a stream and its sender; at most `capacity` messages wait in between.
    pub fn channel(capacity: usize) -> (Sender<T>, Self) {
        let (sender, receiver) = channel(capacity.max(1));
        (Sender(sender), Streaming(Source::Channel(receiver)))
    }
}

impl<T: Message> Streaming<T> {
    /// Returns the next message; `None` when the other side has ended the stream.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    pub(crate) fn encode(self, content_type: &ContentType, codecs: &Codecs) -> Body {
        match self.0 {
            // Passed on without decoding if its content type is the one to send.
            Source::Encoded {
                stream,
                content_type: from,
                ..
            } if from == *content_type => Body::stream(stream),
            source => Body::stream(Encode {
                messages: Streaming(source),
                content_type: content_type.clone(),
                codecs: codecs.clone(),
            }),
        }
    }

    pub(crate) fn decode(content_type: ContentType, codecs: Codecs, body: Body) -> Self {
        Streaming(Source::Encoded {
            stream: body.into_stream(),
            content_type,
            codecs,
            is_answer: false,
        })
    }

    /// Blames malformed messages on the responder.
    pub(crate) fn set_answer(&mut self) {
        if let Source::Encoded { is_answer, .. } = &mut self.0 {
            *is_answer = true;
        }
    }
}

impl<T: Message> Stream for Streaming<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Source::Typed(stream) => stream.as_mut().poll_next(cx),
            Source::Channel(receiver) => receiver.poll_next(cx),
            Source::Encoded {
                stream,
                content_type,
                codecs,
                is_answer,
            } => stream.as_mut().poll_next(cx).map(|next| {
                next.map(|piece| {
                    let message = T::decode(content_type, codecs, piece?);
                    match is_answer {
                        true => message.map_err(wrong::in_answer),
                        false => message,
                    }
                })
            }),
        }
    }
}

/// `T` is never pinned: each source pins its own state.
impl<T> Unpin for Streaming<T> {}

struct Encode<T> {
    messages: Streaming<T>,
    content_type: ContentType,
    codecs: Codecs,
}

impl<T: Message> Stream for Encode<T> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        Pin::new(&mut this.messages).poll_next(cx).map(|next| {
            next.map(|message| message.and_then(|m| m.encode(&this.content_type, &this.codecs)))
        })
    }
}

/// The sender of [`Streaming::channel`]; dropping it ends the stream.
pub struct Sender<T>(channel::Sender<Result<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Sender<T> {
    /// Sends a message, and waits while the receiver is behind. Fails if the receiver has been dropped.
    pub async fn send(&self, message: T) -> Result<()> {
        self.0.send(Ok(message)).await.ok_or_else(gone)
    }

    /// Waits until nobody receives any more: the stream was dropped, or the caller gave up or lost its connection.
    pub async fn closed(&self) {
        poll_fn(|cx| self.0.poll_closed(cx)).await;
    }

    /// Ends the stream with an error.
    pub async fn fail(self, error: Error) -> Result<()> {
        self.0.send(Err(error)).await.ok_or_else(gone)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

fn gone() -> Error {
    Error::cancelled("the receiver of this stream has gone")
}
