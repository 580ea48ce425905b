//! The messages of a body, in both directions.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, StatusCode};

use super::{head::ENCODING, status};
use crate::{
    context::Compression,
    error::{Error, Result},
    http::{HttpBody, Piece, compression::Encoding},
    protocols::{
        envelope::{self, COMPRESSED, Envelope, Envelopes},
        envelope_stream::{End, Upload},
    },
};

/// Reads the messages of a body.
#[derive(Debug)]
pub(super) struct Messages {
    envelopes: Envelopes,
    encoding: Option<Encoding>,
    most: usize,
    /// Records whether each message was compressed.
    compression: Option<Compression>,
}

impl Messages {
    /// Reads messages of at most `most` bytes; compressed ones are in `encoding`.
    pub(super) fn new(
        body: HttpBody,
        encoding: Option<Encoding>,
        most: usize,
        compression: Option<Compression>,
    ) -> Self {
        Messages {
            envelopes: Envelopes::new(body, most),
            encoding,
            most,
            compression,
        }
    }

    /// Returns the next message; `None` at the end.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let envelope = ready!(self.envelopes.poll_message(cx));
        Poll::Ready(envelope.map(|envelope| self.open(envelope?)))
    }

    /// Returns the trailers.
    pub(super) fn trailers(&mut self) -> Option<HeaderMap> {
        self.envelopes.trailers()
    }

    fn open(&self, envelope: Envelope) -> Result<Bytes> {
        let flags = envelope.flags;
        if let Some(compression) = &self.compression {
            compression.came(flags == COMPRESSED);
        }
        if flags & !COMPRESSED != 0 {
            return Err(Error::internal(format!(
                "a message has flags {flags:#04x}, of which gRPC knows only 0 and 1"
            )));
        }
        envelope.open(self.encoding, self.most, &ENCODING)
    }

    /// Returns the only message of a body.
    ///
    /// Unless the body must be `whole`, the message is returned as soon as it has arrived: go-micro v2's clients
    /// keep a request open while they read the stream that answers it.
    ///
    /// # Errors
    /// `Unimplemented` if there is none or more than one, as in gRPC.
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
            // Our clients report in a trailer that their stream is incomplete.
            return Poll::Ready(status::read(&trailers, StatusCode::OK).err().map(Err));
        }
        Poll::Ready(message)
    }
}

/// What follows the last message.
pub(super) enum StreamEnd {
    /// Nothing, as in a request; an error resets the stream, since it cannot be reported.
    Request(Arc<Upload>),
    /// The end of the call, with these trailers if it succeeded.
    Status {
        trailers: HeaderMap,
        to_go_micro: bool,
    },
}

impl End for StreamEnd {
    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
        match self {
            StreamEnd::Request(upload) => {
                let error = ended.err()?;
                upload.fail(&error);
                if !upload.to_ours.load(Relaxed) {
                    return Some(Err(error));
                }
                let mut trailers = HeaderMap::new();
                status::write(&error, false, &mut trailers);
                Some(Ok(Piece::Trailers(trailers)))
            }
            StreamEnd::Status {
                trailers,
                to_go_micro,
            } => {
                let mut trailers = std::mem::take(trailers);
                match ended {
                    Ok(()) => drop(trailers.insert(status::STATUS, status::STATUS_OK)),
                    Err(error) => status::write(&error, *to_go_micro, &mut trailers),
                }
                Some(Ok(Piece::Trailers(trailers)))
            }
        }
    }
}
