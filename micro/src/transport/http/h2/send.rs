//! Sending a body, as fast as the other side takes it.

use std::{future::poll_fn, task::Poll, time::Duration};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;

use super::incoming::broken;
use crate::{
    error::{Error, Result},
    transport::http::{HttpBody, Piece, Prefixed},
};

/// The most that one stream which is sent piece by piece keeps in `h2` beyond what the other side has
/// taken, in bytes.
pub(super) const BUFFER: usize = 256 << 10;

/// Sends the body of a request; one that comes as it is made is given back, to be sent with [`rest`].
///
/// A stream of ours has no capacity until its head is written: what is whole is left to `h2` at once, so that
/// it goes out together with the head, and its rest as the windows open. It is in memory either way.
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

/// Sends all of an answer's body if that takes no waiting; else it must be sent with [`rest`].
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

/// Sends a body piece by piece. `patience` is how long the other side may take nothing of one that is
/// whole; one that streams may wait for as long as its reader likes.
///
/// # Errors
/// `DeadlineExceeded` where patience ended; else what broke, after the stream was told.
pub(super) async fn rest(
    stream: &mut SendStream<Bytes>,
    mut body: HttpBody,
    patience: Duration,
) -> Result<()> {
    let patience = (!matches!(body, HttpBody::Stream(_))).then_some(patience);
    loop {
        let piece = poll_fn(|cx| {
            if let Poll::Ready(reset) = stream.poll_reset(cx) {
                return Poll::Ready(Err(gone(reset)));
            }
            body.poll_piece(cx).map(Ok)
        });
        match piece.await? {
            Some(Ok(Piece::Data(data))) if data.is_empty() => {}
            Some(Ok(Piece::Data(data))) => match patience {
                None => all(stream, data).await?,
                Some(patience) => match tokio::time::timeout(patience, all(stream, data)).await {
                    Ok(sent) => sent?,
                    Err(_) => {
                        stream.send_reset(Reason::CANCEL);
                        return Err(Error::deadline_exceeded(
                            "the other side opened no window for a whole message",
                        ));
                    }
                },
            },
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

/// Sends data by as much as the windows allow.
async fn all(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        while stream.capacity() == 0 {
            let more = poll_fn(|cx| {
                if let Poll::Ready(reset) = stream.poll_reset(cx) {
                    return Poll::Ready(Err(gone(reset)));
                }
                stream.poll_capacity(cx).map(Ok)
            });
            match more.await? {
                Some(more) => drop(more.map_err(broken)?),
                None => return Err(Error::cancelled("the stream was closed")),
            }
        }
        let piece = data.split_to(stream.capacity().min(data.len()));
        stream.send_data(piece, false).map_err(broken)?;
    }
    Ok(())
}

fn gone(reset: Result<Reason, h2::Error>) -> Error {
    match reset {
        Ok(reason) => Error::cancelled(format!("the other side reset the stream: {reason}")),
        Err(error) => broken(error),
    }
}
