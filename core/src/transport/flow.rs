//! A stream of messages between two tasks of this process, which buffers a few.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::{
    error::{Error, Outcome, Result},
    message::{Body, BodyStream, Request},
    time::{self, Nanos},
};

/// Messages sent and not yet received. A network's window counts bytes; here no bytes are
/// copied, so a number of messages suffices.
const MAX_QUEUED_MESSAGES: usize = 64;

/// A message, or the end of the stream.
type Piece = Option<Result<Bytes>>;

/// The sending end of a body.
pub(super) struct Sender(mpsc::Sender<Piece>);

/// A body, and the end to feed it.
pub(super) fn channel() -> (Sender, Body) {
    let (sender, pieces) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let receiver = Receiver {
        pieces,
        ended: false,
    };
    (Sender(sender), Body::stream(receiver))
}

impl Sender {
    /// Sends every message. Ends early with an error (the stream's own, of the size limit, or of the
    /// deadline), or when the body has been dropped.
    pub(super) async fn pump(self, messages: BodyStream, limit: usize, deadline: Nanos) {
        let pumped = time::until(deadline, self.send_all(messages, limit)).await;
        if pumped.is_none() {
            let error = Error::deadline_exceeded("the stream was cut off at the deadline")
                .with_outcome(Outcome::Unknown);
            let _ = self.0.send(Some(Err(error))).await;
        }
    }

    async fn send_all(&self, mut messages: BodyStream, limit: usize) {
        loop {
            let next = poll_fn(|cx| messages.as_mut().poll_next(cx));
            let message = tokio::select! {
                biased;
                () = self.0.closed() => return,
                message = next => message,
            };
            let piece = message.map(|message| message.and_then(|bytes| check(bytes, limit)));
            let is_last = !matches!(piece, Some(Ok(_)));
            if self.0.send(piece).await.is_err() || is_last {
                return;
            }
        }
    }
}

/// Fails unless the body and the metadata of a request are within the limits.
pub(super) fn check_request(request: &Request, message: usize, head: usize) -> Result<()> {
    if let Some(body) = request.body().as_bytes() {
        check(body.clone(), message)?;
    }
    let metadata = request.context().metadata().as_block().len();
    if metadata > head {
        return Err(Error::invalid_argument(format!(
            "metadata takes {metadata} bytes, more than the limit of {head}"
        )));
    }
    Ok(())
}

/// The message, unless it exceeds the limit.
pub(super) fn check(message: Bytes, limit: usize) -> Result<Bytes> {
    if message.len() <= limit {
        return Ok(message);
    }
    Err(Error::invalid_argument(format!(
        "a message of {} bytes is over the limit of {limit}; send it as a stream",
        message.len()
    )))
}

struct Receiver {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

impl Stream for Receiver {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(cx).map(|piece| {
            let piece = piece.unwrap_or_else(|| Some(Err(broken_off())));
            self.ended = !matches!(piece, Some(Ok(_)));
            piece
        })
    }
}

/// The error for a call whose other side ended without a response.
pub(super) fn broken_off() -> Error {
    Error::unavailable("the other side ended in the middle of the call")
        .with_outcome(Outcome::Unknown)
}
