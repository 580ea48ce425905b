//! The body of an HTTP message of either version: pieces of data, then optional trailers.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::HeaderMap;

use super::intake::{BodyRate, Intake};
use crate::error::{Error, Result};

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Some bytes; the boundaries of pieces have no meaning.
    Data(Bytes),
    /// The trailers, after the last byte. Nothing follows them.
    Trailers(HeaderMap),
}

/// The pieces of a streaming body. An error aborts the message: the stream
/// is reset, or the connection is closed if there is no other way.
pub(crate) struct Pieces {
    stream: Pin<Box<dyn Stream<Item = Result<Piece>> + Send>>,
    /// Limits for reading it at a server.
    intake: Option<Arc<Intake>>,
}

impl Pieces {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        self.stream.as_mut().poll_next(cx)
    }
}

/// The body of a request or response.
pub(crate) enum HttpBody {
    /// A whole body, known before the head is written.
    Whole(Bytes),
    /// A whole body, with trailers.
    Trailed(Bytes, Box<HeaderMap>),
    /// A whole body in several pieces, which would be expensive to join.
    Prefixed(Box<Prefixed>),
    /// A streaming body. Dropping it tells the sender that nobody reads any more.
    Stream(Pieces),
}

/// A few bytes, then many.
pub(crate) struct Prefixed {
    pub(crate) prefix: Bytes,
    pub(crate) data: Bytes,
    pub(crate) trailers: Option<Box<HeaderMap>>,
}

impl Prefixed {
    pub(crate) fn len(&self) -> usize {
        self.prefix.len() + self.data.len()
    }
}

impl HttpBody {
    /// An empty body.
    pub(crate) const fn empty() -> Self {
        HttpBody::Whole(Bytes::new())
    }

    /// A body of pieces.
    pub(crate) fn stream(pieces: impl Stream<Item = Result<Piece>> + Send + 'static) -> Self {
        HttpBody::Stream(Pieces {
            stream: Box::pin(pieces),
            intake: None,
        })
    }

    /// The limits for reading it at a server.
    pub(crate) fn intake(&self) -> Option<&Arc<Intake>> {
        match self {
            HttpBody::Stream(pieces) => pieces.intake.as_ref(),
            _ => None,
        }
    }

    /// Sets the limits for reading it, unless it has arrived already.
    pub(crate) fn taken_by(mut self, intake: Option<&Arc<Intake>>) -> Self {
        if let HttpBody::Stream(pieces) = &mut self {
            pieces.intake = intake.cloned();
        }
        self
    }

    /// The bytes that have arrived already.
    pub(crate) fn here(&self) -> usize {
        match self {
            HttpBody::Whole(data) | HttpBody::Trailed(data, _) => data.len(),
            HttpBody::Prefixed(parts) => parts.len(),
            HttpBody::Stream(_) => 0,
        }
    }

    /// Returns the next piece; `None` at the end.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        match std::mem::replace(self, HttpBody::empty()) {
            HttpBody::Whole(data) if data.is_empty() => Poll::Ready(None),
            HttpBody::Whole(data) => Poll::Ready(Some(Ok(Piece::Data(data)))),
            HttpBody::Prefixed(parts) => {
                *self = match parts.trailers {
                    Some(trailers) => HttpBody::Trailed(parts.data, trailers),
                    None => HttpBody::Whole(parts.data),
                };
                Poll::Ready(Some(Ok(Piece::Data(parts.prefix))))
            }
            HttpBody::Trailed(data, trailers) if data.is_empty() => {
                Poll::Ready(Some(Ok(Piece::Trailers(*trailers))))
            }
            HttpBody::Trailed(data, trailers) => {
                *self = HttpBody::Trailed(Bytes::new(), trailers);
                Poll::Ready(Some(Ok(Piece::Data(data))))
            }
            HttpBody::Stream(mut pieces) => {
                let piece = pieces.poll_next(cx);
                *self = HttpBody::Stream(pieces);
                piece
            }
        }
    }

    /// Returns the next piece; `None` at the end.
    pub(crate) async fn piece(&mut self) -> Option<Result<Piece>> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// Returns all bytes and the trailers; fails as soon as there are more than `most` bytes.
    pub(crate) async fn collect(mut self, most: usize) -> Result<(Bytes, Option<HeaderMap>)> {
        let mut whole = Bytes::new();
        let mut joined = BytesMut::new();
        let mut trailers = None;
        let intake = self.intake().cloned();
        let mut pace = BodyRate::default();
        loop {
            let piece = poll_fn(|cx| match (self.poll_piece(cx), &intake) {
                (Poll::Pending, Some(intake)) => pace.poll_late(intake, cx).map(|it| Some(Err(it))),
                (piece, _) => piece,
            });
            let Some(piece) = piece.await else { break };
            match piece? {
                Piece::Trailers(last) => trailers = Some(last),
                Piece::Data(data) => {
                    let length = whole.len() + joined.len() + data.len();
                    if length > most {
                        return Err(too_large(most));
                    }
                    if let Some(intake) = &intake {
                        pace.received(data.len());
                        intake.hold(length, false)?;
                    }
                    if whole.is_empty() && joined.is_empty() {
                        whole = data;
                    } else {
                        joined.extend_from_slice(&std::mem::take(&mut whole));
                        joined.extend_from_slice(&data);
                    }
                }
            }
        }
        let data = if joined.is_empty() {
            whole
        } else {
            joined.freeze()
        };
        Ok((data, trailers))
    }
}

/// The error for a body or message over the limit.
pub(crate) fn too_large(most: usize) -> Error {
    Error::resource_exhausted(format!(
        "a message is over the limit `max_message_size` of {most} bytes; send it as a stream"
    ))
}

impl std::fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HttpBody::Whole(data) | HttpBody::Trailed(data, _) => write!(f, "{} bytes", data.len()),
            HttpBody::Prefixed(parts) => write!(f, "{} bytes", parts.len()),
            HttpBody::Stream(_) => f.write_str("stream"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
pub(crate) mod tests {
    use super::*;

    /// A body of these pieces, all present at once.
    pub(crate) struct Parts(pub(crate) Vec<Piece>);

    impl Stream for Parts {
        type Item = Result<Piece>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let more = !self.0.is_empty();
            Poll::Ready(more.then(|| Ok(self.0.remove(0))))
        }
    }

    #[tokio::test]
    async fn pieces_are_collected_up_to_the_limit() {
        let parts = |texts: &[&'static str]| {
            let pieces = texts.iter().map(|text| Piece::Data(text.as_bytes().into()));
            HttpBody::stream(Parts(pieces.collect()))
        };
        let (data, trailers) = parts(&["ab", "", "cde"]).collect(5).await.unwrap();
        assert_eq!(data, "abcde");
        assert!(trailers.is_none());
        let error = parts(&["ab", "cde"]).collect(4).await.unwrap_err();
        assert!(
            error.message().contains("limit `max_message_size` of 4"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn trailers_follow_the_data() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let body = HttpBody::Trailed("x".into(), Box::new(trailers));
        let (data, trailers) = body.collect(1).await.unwrap();
        assert_eq!(data, "x");
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
    }
}
