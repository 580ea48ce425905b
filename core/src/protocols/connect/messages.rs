//! The messages of a stream, in both directions.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{end, head::STREAM_ENCODING};
use crate::{
    error::{Error, Result},
    http::{HttpBody, Piece, compression::Encoding},
    message::Metadata,
    protocols::{
        envelope::{self, COMPRESSED, Envelopes},
        envelope_stream::End,
    },
};

/// The messages of a request.
pub(super) struct Messages {
    envelopes: Envelopes,
    encoding: Option<Encoding>,
    most: usize,
}

impl Messages {
    /// Reads messages of at most `most` bytes; compressed ones are in `encoding`.
    pub(super) fn new(body: HttpBody, encoding: Option<Encoding>, most: usize) -> Self {
        Messages {
            envelopes: Envelopes::new(body, most),
            encoding,
            most,
        }
    }

    /// Returns the only message of a body.
    ///
    /// # Errors
    /// `Unimplemented` if there is none or more than one: the call has another shape.
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

/// Ends the stream of a response with a message that has the end of the call and its trailers.
pub(super) struct EndOfStream(pub(super) Metadata);

impl End for EndOfStream {
    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
        let failed = ended.as_ref().err();
        let end = end::write(failed.map_or(Ok(()), Err), &self.0);
        Some(Ok(Piece::Data(end)))
    }
}
