//! Writes messages in envelopes, for gRPC, gRPC-Web and the streams of Connect.

use std::{
    pin::Pin,
    sync::atomic::AtomicBool,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Sleep;

use super::envelope::{COMPRESSED, encode_into, prefix};
use crate::{
    codec::transcode,
    context::Compression,
    error::{Error, Result},
    http::{HttpBody, Piece, Prefixed, compression::Encoding},
    message::BodyStream,
    time::{self, NEVER, Nanos},
};

/// Messages smaller than this, in bytes, are not compressed: compression would save little.
pub(crate) const MIN_COMPRESSED_SIZE: usize = 512;

/// How messages are compressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compress {
    encoding: Option<Encoding>,
    /// The caller's or handler's choice, which overrides the default.
    compression: Option<Compression>,
}

impl Compress {
    /// Compresses messages of at least [`MIN_COMPRESSED_SIZE`] in `encoding`, unless `compression` decides otherwise.
    pub(crate) fn new(encoding: Option<Encoding>, compression: Option<Compression>) -> Self {
        Compress {
            encoding,
            compression,
        }
    }

    /// A body with a single message. A large message is not copied.
    pub(crate) fn body(
        &self,
        message: &Bytes,
        trailers: Option<Box<HeaderMap>>,
    ) -> Result<HttpBody> {
        if message.len() > MAX_BATCH_SIZE && self.encoding.is_none() {
            return Ok(HttpBody::Prefixed(Box::new(Prefixed {
                prefix: Bytes::copy_from_slice(&prefix(0, message)?),
                data: message.clone(),
                trailers,
            })));
        }
        let encoded = self.encode(message)?;
        Ok(match trailers {
            Some(trailers) => HttpBody::Trailed(encoded, trailers),
            None => HttpBody::Whole(encoded),
        })
    }

    /// Encodes a message with its envelope.
    pub(crate) fn encode(&self, message: &[u8]) -> Result<Bytes> {
        let mut encoded = BytesMut::new();
        self.encode_into(&mut encoded, message)?;
        Ok(encoded.freeze())
    }

    /// Appends a message with its envelope to a batch.
    fn encode_into(&self, encoded: &mut BytesMut, message: &[u8]) -> Result<()> {
        let wanted = self.compression.as_ref().and_then(Compression::compresses);
        match self.encoding {
            Some(encoding) if wanted.unwrap_or(message.len() >= MIN_COMPRESSED_SIZE) => {
                encode_into(encoded, COMPRESSED, &encoding.compress(message)?)
            }
            _ => encode_into(encoded, 0, message),
        }
    }
}

/// Returns an error if a message is larger than `most` bytes.
pub(crate) fn fits(message: &[u8], most: usize) -> Result<()> {
    if message.len() <= most {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "a message of {} bytes is over the limit `max_message_size` of {most}; send it as a stream",
        message.len()
    )))
}

/// Ready messages are sent as one piece until it has this many bytes, because HTTP/2 has a cost for each frame. This is
/// the default maximum frame size of HTTP/2.
const MAX_BATCH_SIZE: usize = 16_384;

/// The messages of a stream as the pieces of a body.
pub(crate) struct EnvelopeStream<E> {
    messages: BodyStream,
    compress: Compress,
    /// Maximum size of a message, in bytes.
    most: usize,
    end: E,
    /// Ends the stream at the deadline of the call.
    deadline: Option<Pin<Box<Sleep>>>,
    /// The end of the messages, until the last batch is sent.
    over: Option<Result<()>>,
    ended: bool,
}

/// Writes the end of a stream after the last message.
pub(crate) trait End: Send + Unpin + 'static {
    /// The last piece, if any; `ended` is the result of the message stream.
    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>>;
}

/// The state of a request's stream, shared with its call.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Whether the server is Micro, which reads a status at the end of a request stream. Other gRPC servers do not.
    pub(crate) to_ours: AtomicBool,
    /// The error that ended the stream early.
    failed: Mutex<Option<Error>>,
}

impl Upload {
    /// Stores the error that ended the stream early.
    pub(crate) fn fail(&self, error: &Error) {
        *self.failed.lock() = Some(error.clone());
    }

    /// The error of the call: the stored error of the request stream, otherwise `error`.
    pub(crate) fn cause(&self, error: Error) -> Error {
        let failed = self.failed.lock().take();
        match failed {
            Some(failed) => failed.with_outcome(error.outcome()),
            None => error,
        }
    }
}

impl<E: End> EnvelopeStream<E> {
    pub(crate) fn new(
        messages: BodyStream,
        compress: Compress,
        most: usize,
        end: E,
        deadline: Nanos,
    ) -> Self {
        let deadline = (deadline != NEVER)
            .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline))));
        EnvelopeStream {
            messages,
            compress,
            most,
            end,
            deadline,
            over: None,
            ended: false,
        }
    }

    /// Appends a message to the current batch.
    fn gather(&self, gathered: &mut BytesMut, message: &[u8]) -> Result<()> {
        fits(message, self.most)?;
        self.compress.encode_into(gathered, message)
    }

    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
        self.ended = true;
        self.end.end(ended)
    }
}

impl<E: End> Stream for EnvelopeStream<E> {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            let error = Error::deadline_exceeded("the time for this call has run out");
            return Poll::Ready(this.end(Err(error)));
        }
        let mut gathered = BytesMut::new();
        let ended = loop {
            if this.over.is_some() || gathered.len() >= MAX_BATCH_SIZE {
                break this.over.take();
            }
            match this.messages.as_mut().poll_next(cx) {
                Poll::Pending if gathered.is_empty() => return Poll::Pending,
                Poll::Pending => break None,
                Poll::Ready(None) => break Some(Ok(())),
                Poll::Ready(Some(message)) => {
                    if let Err(error) = message.and_then(|it| this.gather(&mut gathered, &it)) {
                        break Some(Err(error));
                    }
                }
            }
        };
        match ended {
            Some(ended) if gathered.is_empty() => Poll::Ready(this.end(ended)),
            ended => {
                this.over = ended;
                Poll::Ready(Some(Ok(Piece::Data(gathered.freeze()))))
            }
        }
    }
}

/// Converts MessagePack messages to JSON.
pub(crate) struct JsonMessages(pub(crate) BodyStream);

impl Stream for JsonMessages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(next.map(|message| transcode::msgpack_to_json(&message?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends with the error, if there is one.
    struct EndWithError;

    impl End for EndWithError {
        fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
            ended.err().map(Err)
        }
    }

    /// A stream of messages that are ready at once.
    struct ReadyMessages(Vec<Result<Bytes>>);

    impl Stream for ReadyMessages {
        type Item = Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let more = !self.0.is_empty();
            Poll::Ready(more.then(|| self.0.remove(0)))
        }
    }

    /// The sizes of the pieces that the messages are sent in; `None` for trailers.
    async fn pieces(messages: Vec<Result<Bytes>>, most: usize) -> Vec<Result<Option<usize>>> {
        let messages = Box::pin(ReadyMessages(messages));

        let mut body = HttpBody::stream(EnvelopeStream::new(
            messages,
            Compress::default(),
            most,
            EndWithError,
            NEVER,
        ));
        let mut all = Vec::new();
        while let Some(piece) = body.piece().await {
            all.push(piece.map(|piece| match piece {
                Piece::Data(data) => Some(data.len()),
                Piece::Trailers(_) => None,
            }));
        }
        all
    }

    #[tokio::test]
    async fn ready_messages_are_sent_in_one_piece() {
        let small = || Ok(Bytes::from_static(b"abc"));
        let large = || Ok(Bytes::from(vec![0; MAX_BATCH_SIZE]));
        let sizes: Result<Vec<_>> = pieces(vec![small(), small(), small()], 3)
            .await
            .into_iter()
            .collect();
        assert_eq!(sizes.ok(), Some(vec![Some(24)]));
        let sizes: Result<Vec<_>> = pieces(vec![small(), large(), small()], MAX_BATCH_SIZE)
            .await
            .into_iter()
            .collect();
        assert_eq!(
            sizes.ok(),
            Some(vec![Some(8 + 5 + MAX_BATCH_SIZE), Some(8)])
        );
    }

    #[tokio::test]
    async fn messages_before_an_error_are_sent() {
        for failing in [Err(Error::internal("broke")), Ok("too large".into())] {
            let messages = vec![Ok("abc".into()), Ok("de".into()), failing, Ok("f".into())];
            let told = pieces(messages, 3).await;
            assert!(matches!(told[..], [Ok(Some(15)), Err(_)]), "{told:?}");
        }
    }
}
