//! The messages of a body, one way and the other.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use tokio::time::Sleep;

use super::status;
use crate::{
    error::{Error, Result},
    message::BodyStream,
    time::{self, NEVER, Nanos},
    transport::http::{
        HttpBody, Piece,
        compression::Compression,
        envelope::{COMPRESSED, Envelope, Envelopes, seal},
    },
};

/// Messages smaller than this are sent as they are: they would hardly be smaller compressed.
const WORTH_IT: usize = 512;

/// Reads the messages of a body.
#[derive(Debug)]
pub(super) struct Messages {
    envelopes: Envelopes,
    encoding: Option<Compression>,
    most: usize,
}

impl Messages {
    /// Messages of at most `most` bytes, compressed ones in `encoding`.
    pub(super) fn new(body: HttpBody, encoding: Option<Compression>, most: usize) -> Self {
        Messages {
            envelopes: Envelopes::new(body, most),
            encoding,
            most,
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
        let Envelope { flags, message } = envelope;
        match (flags, self.encoding) {
            (0, _) => Ok(message),
            (COMPRESSED, Some(encoding)) => encoding.decompress(&message, self.most),
            (COMPRESSED, None) => Err(Error::internal(
                "a message is compressed, and `grpc-encoding` does not say how",
            )),
            (flags, _) => Err(Error::internal(format!(
                "a message has flags {flags:#04x}, of which gRPC knows only 0 and 1"
            ))),
        }
    }

    /// The only message of a body that has one.
    ///
    /// # Errors
    /// `Unimplemented` when there is none or more than one, as gRPC has it.
    pub(super) fn poll_only(
        &mut self,
        first: &mut Option<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes>> {
        loop {
            match ready!(self.poll_message(cx)).transpose()? {
                Some(_) if first.is_some() => {
                    return Poll::Ready(Err(Error::unimplemented(
                        "a second message came where one was expected",
                    )));
                }
                Some(message) => *first = Some(message),
                None => {
                    return Poll::Ready(first.take().ok_or_else(|| {
                        Error::unimplemented("no message came where one was expected")
                    }));
                }
            }
        }
    }
}

impl Stream for Messages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

/// A message as it is sent.
pub(super) fn sealed(message: &[u8], encoding: Option<Compression>) -> Result<Bytes> {
    match encoding {
        Some(encoding) if message.len() >= WORTH_IT => {
            seal(COMPRESSED, &encoding.compress(message)?)
        }
        _ => seal(0, message),
    }
}

/// Messages of a stream as the pieces of a body.
pub(super) struct Sealed {
    messages: BodyStream,
    encoding: Option<Compression>,
    end: End,
    /// Ends it when nobody waits for more.
    deadline: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

/// What follows the last message.
pub(super) enum End {
    /// Nothing, as in a request; an error breaks it off.
    Bare,
    /// How the call ended, with these trailers if it went well.
    Status {
        trailers: HeaderMap,
        to_go_micro: bool,
    },
}

impl Sealed {
    pub(super) fn new(
        messages: BodyStream,
        encoding: Option<Compression>,
        end: End,
        deadline: Nanos,
    ) -> Self {
        let deadline = (deadline != NEVER)
            .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline))));
        Sealed {
            messages,
            encoding,
            end,
            deadline,
            ended: false,
        }
    }

    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
        self.ended = true;
        match &mut self.end {
            End::Bare => ended.err().map(Err),
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
        let next = ready!(this.messages.as_mut().poll_next(cx));
        let sealed = next.map(|message| message.and_then(|m| sealed(&m, this.encoding)));
        Poll::Ready(match sealed {
            Some(Ok(sealed)) => Some(Ok(Piece::Data(sealed))),
            Some(Err(error)) => this.end(Err(error)),
            None => this.end(Ok(())),
        })
    }
}
