//! Trailers as the last message of a body: flag 0x80, then lines like those of an HTTP/1.1 head.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::HeaderMap;

use crate::{
    error::Result,
    http::{HttpBody, Piece},
    protocols::envelope::encode,
};

/// The flag of the message with the trailers.
pub(super) const TRAILERS: u8 = 0x80;

/// A body with its trailers inside.
pub(super) fn in_body(body: HttpBody) -> HttpBody {
    match body {
        HttpBody::Whole(data) => HttpBody::Whole(data),
        HttpBody::Trailed(data, trailers) => {
            let last = write(&trailers);
            let mut whole = BytesMut::with_capacity(data.len() + last.len());
            whole.extend_from_slice(&data);
            whole.extend_from_slice(&last);
            HttpBody::Whole(whole.freeze())
        }
        body => HttpBody::stream(InBody(body)),
    }
}

/// Encodes trailers with their envelope.
fn write(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    encode(TRAILERS, &lines).unwrap_or_default()
}

struct InBody(HttpBody);

impl Stream for InBody {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.0.poll_piece(cx));
        Poll::Ready(piece.map(|piece| {
            Ok(Piece::Data(match piece? {
                Piece::Data(data) => data,
                Piece::Trailers(trailers) => write(&trailers),
            }))
        }))
    }
}
