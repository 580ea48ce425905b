//! The messages of a stream, one way and the other.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Sleep;

use super::{end, head::STREAM_ENCODING};
use crate::{
    error::{Error, Result},
    http::{HttpBody, Piece, compression::Compression},
    message::{BodyStream, Metadata},
    protocols::envelope::{self, COMPRESSED, Envelopes, seal},
    time::{self, NEVER, Nanos},
};

/// Messages smaller than this are sent as they are: they would hardly be smaller compressed.
pub(super) const WORTH_IT: usize = 512;

/// The messages of a request.
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

    /// The only message of a body that has one.
    ///
    /// # Errors
    /// `Unimplemented` when there is none or more than one: it is a call of another shape.
    pub(super) fn poll_only(
        &mut self,
        first: &mut Option<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes>> {
        match envelope::poll_only(first, || Pin::new(&mut *self).poll_next(cx)) {
            Poll::Pending => self.envelopes.poll_late(cx).map(Err),
            only => only,
        }
    }
}

impl Stream for Messages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let envelope = ready!(self.envelopes.poll_message(cx));
        Poll::Ready(envelope.map(|envelope| {
            let envelope = envelope?;
            if envelope.flags & !COMPRESSED != 0 {
                let flags = envelope.flags;
                return Err(Error::invalid_argument(format!(
                    "a message has flags {flags:#04x}; a request's has only 0 or 1"
                )));
            }
            envelope.open(self.encoding, self.most, &STREAM_ENCODING)
        }))
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

/// The messages of an answer as the pieces of a body, and its end.
pub(super) struct Sealed {
    messages: BodyStream,
    encoding: Option<Compression>,
    /// Those of the answer, for what of them follows the last message.
    metadata: Metadata,
    /// Ends it when nobody waits for more.
    deadline: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Sealed {
    pub(super) fn new(
        messages: BodyStream,
        encoding: Option<Compression>,
        metadata: Metadata,
        deadline: Nanos,
    ) -> Self {
        let deadline = (deadline != NEVER)
            .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline))));
        Sealed {
            messages,
            encoding,
            metadata,
            deadline,
            ended: false,
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
        let over = this
            .deadline
            .as_mut()
            .is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready());
        let next = match over {
            true => Some(Err(Error::deadline_exceeded(
                "the time for this call has run out",
            ))),
            false => ready!(this.messages.as_mut().poll_next(cx)),
        };
        let sealed = next.map(|message| sealed(&message?, this.encoding));
        let piece = match sealed {
            Some(Ok(sealed)) => sealed,
            Some(Err(error)) => {
                this.ended = true;
                end::write(Err(&error), &this.metadata)
            }
            None => {
                this.ended = true;
                end::write(Ok(()), &this.metadata)
            }
        };
        Poll::Ready(Some(Ok(Piece::Data(piece))))
    }
}
