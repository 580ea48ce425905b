//! The messages of a body, one way and the other.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::time::Sleep;

use super::{head::ENCODING, status};
use crate::{
    context::Wire,
    error::{Error, Result},
    http::{HttpBody, Piece, Prefixed, compression::Compression},
    message::BodyStream,
    protocols::envelope::{self, COMPRESSED, Envelope, Envelopes, prefix, seal_into},
    time::{self, NEVER, Nanos},
};

/// Messages smaller than this are sent as they are: they would hardly be smaller compressed.
const WORTH_IT: usize = 512;

/// Reads the messages of a body.
#[derive(Debug)]
pub(super) struct Messages {
    envelopes: Envelopes,
    encoding: Option<Compression>,
    most: usize,
    /// Who is told whether each came compressed.
    wire: Option<Wire>,
}

impl Messages {
    /// Messages of at most `most` bytes, compressed ones in `encoding`.
    pub(super) fn new(
        body: HttpBody,
        encoding: Option<Compression>,
        most: usize,
        wire: Option<Wire>,
    ) -> Self {
        Messages {
            envelopes: Envelopes::new(body, most),
            encoding,
            most,
            wire,
        }
    }

    /// The next message; `None` at the end.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let envelope = ready!(self.envelopes.poll_message(cx));
        Poll::Ready(envelope.map(|envelope| self.open(envelope?)))
    }

    /// What came after the last message.
    pub(super) fn trailers(&mut self) -> Option<HeaderMap> {
        self.envelopes.trailers()
    }

    fn open(&self, envelope: Envelope) -> Result<Bytes> {
        let flags = envelope.flags;
        if let Some(wire) = &self.wire {
            wire.came(flags == COMPRESSED);
        }
        if flags & !COMPRESSED != 0 {
            return Err(Error::internal(format!(
                "a message has flags {flags:#04x}, of which gRPC knows only 0 and 1"
            )));
        }
        envelope.open(self.encoding, self.most, &ENCODING)
    }

    /// The only message of a body that has one.
    ///
    /// Where the body need not be `whole` the message is taken once it is there: go-micro v2's clients
    /// leave a request open for as long as they read the stream that answers it.
    ///
    /// # Errors
    /// `Unimplemented` when there is none or more than one, as gRPC has it.
    pub(super) fn poll_only(
        &mut self,
        first: &mut Option<Bytes>,
        whole: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes>> {
        match envelope::poll_only(first, || self.poll_message(cx)) {
            Poll::Pending if whole => self.envelopes.poll_late(cx).map(Err),
            Poll::Pending => first.take().map_or(Poll::Pending, |it| Poll::Ready(Ok(it))),
            only => only,
        }
    }
}

/// The messages of a request.
impl Stream for Messages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = ready!(self.poll_message(cx));
        if message.is_none()
            && let Some(trailers) = self.trailers()
            && trailers.contains_key(status::STATUS)
        {
            // One of our clients says that what it sent is not all.
            return Poll::Ready(status::read(&trailers, StatusCode::OK).err().map(Err));
        }
        Poll::Ready(message)
    }
}

/// How messages are compressed.
#[derive(Clone, Debug, Default)]
pub(super) struct Compress {
    encoding: Option<Compression>,
    /// Who has a say in it.
    wire: Option<Wire>,
}

impl Compress {
    /// In `encoding`, where they are large enough and nobody says otherwise.
    pub(super) fn new(encoding: Option<Compression>, wire: Option<Wire>) -> Self {
        Compress { encoding, wire }
    }

    /// A message as all of a body. A large one is not copied.
    pub(super) fn body(
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
        let mut sealed = BytesMut::new();
        self.seal_into(&mut sealed, message)?;
        let sealed = sealed.freeze();
        Ok(match trailers {
            Some(trailers) => HttpBody::Trailed(sealed, trailers),
            None => HttpBody::Whole(sealed),
        })
    }

    /// Adds a message to others that are sent with it.
    fn seal_into(&self, sealed: &mut BytesMut, message: &[u8]) -> Result<()> {
        let wanted = self.wire.as_ref().and_then(Wire::compresses);
        match self.encoding {
            Some(encoding) if wanted.unwrap_or(message.len() >= WORTH_IT) => {
                seal_into(sealed, COMPRESSED, &encoding.compress(message)?)
            }
            _ => seal_into(sealed, 0, message),
        }
    }
}

/// An error for a message that is larger than `most`.
pub(super) fn fits(message: &[u8], most: usize) -> Result<()> {
    if message.len() <= most {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "a message of {} bytes is over the limit `message` of {most}; send it as a stream",
        message.len()
    )))
}

/// Messages that are there together leave in one piece, until it has so many bytes: what HTTP/2 costs it
/// costs by the frame. It is the largest frame that a peer takes unasked.
const GATHERED: usize = 16_384;

/// Messages of a stream as the pieces of a body.
pub(super) struct Sealed {
    messages: BodyStream,
    compress: Compress,
    /// The largest that is sent, in bytes.
    most: usize,
    end: End,
    /// Ends it when nobody waits for more.
    deadline: Option<Pin<Box<Sleep>>>,
    /// How the messages ended, where the last of them were still to be sent.
    over: Option<Result<()>>,
    ended: bool,
}

/// What follows the last message.
pub(super) enum End {
    /// Nothing, as in a request; an error breaks it off, where the other side cannot be told.
    Request(Arc<Feeding>),
    /// How the call ended, with these trailers if it went well.
    Status {
        trailers: HeaderMap,
        to_go_micro: bool,
    },
}

/// A request's stream, as the call that it belongs to sees it.
#[derive(Debug, Default)]
pub(super) struct Feeding {
    /// Whether the other side is known to read how the stream ended, as no other gRPC does.
    pub(super) to_ours: AtomicBool,
    /// What broke it off.
    pub(super) failed: Mutex<Option<Error>>,
}

impl Feeding {
    /// The error that a call ends with: what broke its request's stream off, if something did.
    pub(super) fn cause(&self, error: Error) -> Error {
        let failed = self.failed.lock().take();
        match failed {
            Some(failed) => failed.with_outcome(error.outcome()),
            None => error,
        }
    }
}

impl Sealed {
    pub(super) fn new(
        messages: BodyStream,
        compress: Compress,
        most: usize,
        end: End,
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
        match &mut self.end {
            End::Request(feeding) => {
                let error = ended.err()?;
                *feeding.failed.lock() = Some(error.clone());
                if !feeding.to_ours.load(Relaxed) {
                    return Some(Err(error));
                }
                let mut trailers = HeaderMap::new();
                status::write(&error, false, &mut trailers);
                Some(Ok(Piece::Trailers(trailers)))
            }
            End::Status {
                trailers,
                to_go_micro,
            } => {
                let mut trailers = std::mem::take(trailers);
                match ended {
                    Ok(()) => drop(trailers.insert(status::STATUS, status::FINE)),
                    Err(error) => status::write(&error, *to_go_micro, &mut trailers),
                }
                Some(Ok(Piece::Trailers(trailers)))
            }
        }
    }
}

impl Stream for Sealed {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let end = End::Request(Arc::default());
        let mut body =
            HttpBody::stream(Sealed::new(messages, Compress::default(), most, end, NEVER));
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
