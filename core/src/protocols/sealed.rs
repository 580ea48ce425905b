//! Enveloped messages on their way out: gRPC, gRPC-Web and the streams of Connect.

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

use super::envelope::{COMPRESSED, prefix, seal_into};
use crate::{
    codec::transcode,
    context::Compression,
    error::{Error, Result},
    http::{HttpBody, Piece, Prefixed, compression::Encoding},
    message::BodyStream,
    time::{self, NEVER, Nanos},
};

/// Messages smaller than this are sent as they are: they would hardly be smaller compressed.
pub(crate) const WORTH_IT: usize = 512;

/// How messages are compressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compress {
    encoding: Option<Encoding>,
    /// Who has a say in it.
    compression: Option<Compression>,
}

impl Compress {
    /// In `encoding`, where they are large enough and nobody says otherwise.
    pub(crate) fn new(encoding: Option<Encoding>, compression: Option<Compression>) -> Self {
        Compress {
            encoding,
            compression,
        }
    }

    /// A message as all of a body. A large one is not copied.
    pub(crate) fn body(
        &self,
        message: &Bytes,
        trailers: Option<Box<HeaderMap>>,
    ) -> Result<HttpBody> {
        if message.len() > GATHERED && self.encoding.is_none() {
            return Ok(HttpBody::Prefixed(Box::new(Prefixed {
                prefix: Bytes::copy_from_slice(&prefix(0, message)?),
                data: message.clone(),
                trailers,
            })));
        }
        let sealed = self.seal(message)?;
        Ok(match trailers {
            Some(trailers) => HttpBody::Trailed(sealed, trailers),
            None => HttpBody::Whole(sealed),
        })
    }

    /// A message in its envelope.
    pub(crate) fn seal(&self, message: &[u8]) -> Result<Bytes> {
        let mut sealed = BytesMut::new();
        self.seal_into(&mut sealed, message)?;
        Ok(sealed.freeze())
    }

    /// Adds a message to others that are sent with it.
    fn seal_into(&self, sealed: &mut BytesMut, message: &[u8]) -> Result<()> {
        let wanted = self.compression.as_ref().and_then(Compression::compresses);
        match self.encoding {
            Some(encoding) if wanted.unwrap_or(message.len() >= WORTH_IT) => {
                seal_into(sealed, COMPRESSED, &encoding.compress(message)?)
            }
            _ => seal_into(sealed, 0, message),
        }
    }
}

/// An error for a message that is larger than `most`.
pub(crate) fn fits(message: &[u8], most: usize) -> Result<()> {
    if message.len() <= most {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "a message of {} bytes is over the limit `max_message_size` of {most}; send it as a stream",
        message.len()
    )))
}

/// Messages that are there together leave in one piece, until it has so many bytes: what HTTP/2 costs it
/// costs by the frame. It is the largest frame that a peer takes unasked.
const GATHERED: usize = 16_384;

/// Messages of a stream as the pieces of a body.
pub(crate) struct Sealed<E> {
    messages: BodyStream,
    compress: Compress,
    /// The largest that is sent, in bytes.
    most: usize,
    end: E,
    /// Ends it when nobody waits for more.
    deadline: Option<Pin<Box<Sleep>>>,
    /// How the messages ended, where the last of them were still to be sent.
    over: Option<Result<()>>,
    ended: bool,
}

/// What follows the last message.
pub(crate) trait End: Send + Unpin + 'static {
    /// The last piece, if there is one, by how the messages ended.
    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>>;
}

/// A request's stream, as the call that it belongs to sees it.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Whether the other side is known to read how the stream ended, as no other gRPC does.
    pub(crate) to_ours: AtomicBool,
    /// What broke it off.
    failed: Mutex<Option<Error>>,
}

impl Upload {
    /// Notes what broke it off.
    pub(crate) fn fail(&self, error: &Error) {
        *self.failed.lock() = Some(error.clone());
    }

    /// The error that a call ends with: what broke its request's stream off, if something did.
    pub(crate) fn cause(&self, error: Error) -> Error {
        let failed = self.failed.lock().take();
        match failed {
            Some(failed) => failed.with_outcome(error.outcome()),
            None => error,
        }
    }
}

impl<E: End> Sealed<E> {
    pub(crate) fn new(
        messages: BodyStream,
        compress: Compress,
        most: usize,
        end: E,
        deadline: Nanos,
    ) -> Self {
        let deadline = (deadline != NEVER)
            .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline))));
        Sealed {
            messages,
            compress,
            most,
            end,
            deadline,
            over: None,
            ended: false,
        }
    }

    /// Adds a message to those that leave together.
    fn gather(&self, gathered: &mut BytesMut, message: &[u8]) -> Result<()> {
        fits(message, self.most)?;
        self.compress.seal_into(gathered, message)
    }

    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
        self.ended = true;
        self.end.end(ended)
    }
}

impl<E: End> Stream for Sealed<E> {
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
            if this.over.is_some() || gathered.len() >= GATHERED {
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

/// Messages in JSON, of those in MessagePack.
pub(crate) struct AsJson(pub(crate) BodyStream);

impl Stream for AsJson {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(next.map(|message| transcode::msgpack_to_json(&message?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing follows but the error.
    struct Broken;

    impl End for Broken {
        fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
            ended.err().map(Err)
        }
    }

    /// Messages that are all there, in this order.
    struct There(Vec<Result<Bytes>>);

    impl Stream for There {
        type Item = Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let more = !self.0.is_empty();
            Poll::Ready(more.then(|| self.0.remove(0)))
        }
    }

    /// The sizes of the pieces that messages leave in; `None` for trailers.
    async fn pieces(messages: Vec<Result<Bytes>>, most: usize) -> Vec<Result<Option<usize>>> {
        let messages = Box::pin(There(messages));

        let mut body = HttpBody::stream(Sealed::new(
            messages,
            Compress::default(),
            most,
            Broken,
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
    async fn messages_that_are_there_together_leave_together() {
        let small = || Ok(Bytes::from_static(b"abc"));
        let large = || Ok(Bytes::from(vec![0; GATHERED]));
        let sizes: Result<Vec<_>> = pieces(vec![small(), small(), small()], 3)
            .await
            .into_iter()
            .collect();
        assert_eq!(sizes.ok(), Some(vec![Some(24)]));
        let sizes: Result<Vec<_>> = pieces(vec![small(), large(), small()], GATHERED)
            .await
            .into_iter()
            .collect();
        assert_eq!(sizes.ok(), Some(vec![Some(8 + 5 + GATHERED), Some(8)]));
    }

    #[tokio::test]
    async fn what_came_before_an_error_leaves_before_it() {
        for failing in [Err(Error::internal("broke")), Ok("too large".into())] {
            let messages = vec![Ok("abc".into()), Ok("de".into()), failing, Ok("f".into())];
            let told = pieces(messages, 3).await;
            assert!(matches!(told[..], [Ok(Some(15)), Err(_)]), "{told:?}");
        }
    }
}
