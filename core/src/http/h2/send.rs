//! Sends a body, as fast as the peer takes it.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use tokio::time::Sleep;

use super::{broken::broken, peer::Peer};
use crate::{
    error::{Code, Error, Result},
    http::{HttpBody, Piece, Prefixed},
};

/// The largest number of bytes that one streaming body keeps in `h2` beyond what the peer has
/// taken.
pub(super) const MAX_STREAM_BUFFER: usize = 256 << 10;

/// Sends the body of a request; a streaming one is returned, to be sent with [`rest`].
///
/// A new stream has no capacity until its head is written: a complete body is passed to `h2` at once, so that
/// it leaves together with the head, and the rest as the windows open. It is in memory either way.
pub(super) fn queued(stream: &mut SendStream<Bytes>, body: HttpBody) -> Result<Option<HttpBody>> {
    match body {
        HttpBody::Whole(data) => stream.send_data(data, true),
        HttpBody::Trailed(data, trailers) => trailed(stream, data, *trailers),
        HttpBody::Prefixed(parts) => {
            let Prefixed {
                prefix,
                data,
                trailers,
            } = *parts;
            let sent = stream.send_data(prefix, false);
            sent.and_then(|()| match trailers {
                None => stream.send_data(data, true),
                Some(trailers) => trailed(stream, data, *trailers),
            })
        }
        HttpBody::Stream(pieces) => return Ok(Some(HttpBody::Stream(pieces))),
    }
    .map_err(broken)?;
    Ok(None)
}

/// Sends a whole response body if that is possible without waiting; otherwise it must be sent with [`rest`].
pub(super) fn at_once(stream: &mut SendStream<Bytes>, body: HttpBody) -> Result<Option<HttpBody>> {
    let length = match &body {
        HttpBody::Whole(data) | HttpBody::Trailed(data, _) => data.len(),
        HttpBody::Prefixed(parts) => parts.len(),
        HttpBody::Stream(_) => return Ok(Some(body)),
    };
    stream.reserve_capacity(length);
    if stream.capacity() < length {
        return Ok(Some(body));
    }
    queued(stream, body)
}

fn trailed(
    stream: &mut SendStream<Bytes>,
    data: Bytes,
    trailers: HeaderMap,
) -> Result<(), h2::Error> {
    if !data.is_empty() {
        stream.send_data(data, false)?;
    }
    stream.send_trailers(trailers)
}

/// Sends a body piece by piece. With a `peer`, a complete body must be taken within the peer's time limit; a
/// streaming one may wait for as long as its reader likes.
///
/// # Errors
/// `DeadlineExceeded` if the time limit has passed; otherwise the reason of the failure, after the stream was reset.
pub(super) async fn rest(
    stream: &mut SendStream<Bytes>,
    mut body: HttpBody,
    peer: Option<&Peer>,
) -> Result<()> {
    let peer = peer.filter(|_| !matches!(body, HttpBody::Stream(_)));
    loop {
        let piece = poll_fn(|cx| {
            if let Poll::Ready(reset) = stream.poll_reset(cx) {
                return Poll::Ready(Err(gone(reset)));
            }
            body.poll_piece(cx).map(Ok)
        });
        match piece.await? {
            Some(Ok(Piece::Data(data))) if data.is_empty() => {}
            Some(Ok(Piece::Data(data))) => all(stream, data, peer).await?,
            Some(Ok(Piece::Trailers(trailers))) => {
                return stream.send_trailers(trailers).map_err(broken);
            }
            Some(Err(error)) => {
                stream.send_reset(match error.code() {
                    crate::error::Code::Cancelled => Reason::CANCEL,
                    _ => Reason::INTERNAL_ERROR,
                });
                return Err(error);
            }
            None => return stream.send_data(Bytes::new(), true).map_err(broken),
        }
    }
}

/// Sends as much data as the windows allow.
///
/// # Errors
/// `DeadlineExceeded` if a `peer` takes too little.
async fn all(stream: &mut SendStream<Bytes>, mut data: Bytes, peer: Option<&Peer>) -> Result<()> {
    let mut progress = Progress::default();
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        while stream.capacity() == 0 {
            let more = poll_fn(|cx| {
                if let Poll::Ready(reset) = stream.poll_reset(cx) {
                    return Poll::Ready(Err(gone(reset)));
                }
                match (stream.poll_capacity(cx), peer) {
                    (Poll::Pending, Some(peer)) => progress.poll_stalled(peer, cx).map(Err),
                    (more, _) => more.map(Ok),
                }
            });
            match more.await {
                Ok(Some(more)) => drop(more.map_err(broken)?),
                Ok(None) => return Err(Error::cancelled("the stream was closed")),
                Err(error) if error.code() == Code::DeadlineExceeded => {
                    stream.send_reset(Reason::CANCEL);
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        let piece = data.split_to(stream.capacity().min(data.len()));
        progress.took(piece.len());
        stream.send_data(piece, false).map_err(broken)?;
    }
    Ok(())
}

/// Bytes that a peer must take within its time limit, of this response or of others on its connection.
const MIN_STREAM_PROGRESS: usize = 16 * 1024;
/// For how many time limits a peer may take other responses, and nothing of this one.
const MAX_STALL_FACTOR: u32 = 8;

/// The progress of a response.
#[derive(Default)]
struct Progress {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Bytes taken of this response since the last check.
    took: usize,
    /// Bytes written on the connection by then.
    written: u64,
    /// How many times in a row only other responses were taken.
    others: u32,
}

impl Progress {
    fn took(&mut self, bytes: usize) {
        self.took += bytes;
    }

    /// Ready with an error if the peer takes too little; polled when nothing can be sent.
    fn poll_stalled(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            let sleep = match &mut self.sleep {
                Some(sleep) => sleep,
                none => {
                    self.written = peer.traffic.written();
                    none.insert(Box::pin(tokio::time::sleep(peer.stall_timeout)))
                }
            };
            ready!(sleep.as_mut().poll(cx));
            let written = peer.traffic.written() - self.written;
            if self.took >= MIN_STREAM_PROGRESS {
                self.others = 0;
            } else if written >= MIN_STREAM_PROGRESS as u64 && self.others < MAX_STALL_FACTOR {
                self.others += 1;
            } else {
                return Poll::Ready(Error::deadline_exceeded(format!(
                    "the other side took less than {MIN_STREAM_PROGRESS} bytes within {:?}",
                    peer.stall_timeout
                )));
            }
            (self.sleep, self.took) = (None, 0);
        }
    }
}

fn gone(reset: Result<Reason, h2::Error>) -> Error {
    match reset {
        Ok(reason) => Error::cancelled(format!("the other side reset the stream: {reason}")),
        Err(error) => broken(error),
    }
}
