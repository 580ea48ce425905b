//! Bodies in Base64. Each piece is encoded separately, so padding may occur inside a body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::{
    base64,
    error::{Error, Result},
    http::{HttpBody, Piece},
};

/// Encodes a body in Base64.
pub(super) fn encoded(body: HttpBody) -> HttpBody {
    match body {
        HttpBody::Whole(data) => HttpBody::Whole(base64::encode(&data).into()),
        body => HttpBody::stream(Encoded(body)),
    }
}

/// Decodes a body in Base64.
pub(super) fn decoded(body: HttpBody) -> HttpBody {
    let intake = body.intake().cloned();
    let decoded = HttpBody::stream(Decoded {
        body,
        buffer: BytesMut::new(),
        ended: false,
    });
    decoded.taken_by(intake.as_ref())
}

struct Encoded(HttpBody);

impl Stream for Encoded {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.0.poll_piece(cx));
        Poll::Ready(piece.map(|piece| {
            Ok(match piece? {
                Piece::Data(data) => Piece::Data(base64::encode(&data).into()),
                trailers => trailers,
            })
        }))
    }
}

struct Decoded {
    body: HttpBody,
    /// Up to three letters of an incomplete group, kept between pieces.
    buffer: BytesMut,
    ended: bool,
}

impl Decoded {
    /// Decodes all complete groups of four letters; at the end also the rest.
    fn take(&mut self) -> Result<Bytes> {
        let whole = match self.ended {
            true => self.buffer.len(),
            false => self.buffer.len() & !3,
        };
        let letters = self.buffer.split_to(whole);
        let mut rest = &letters[..];
        let mut bytes = Vec::with_capacity(rest.len() / 4 * 3);
        while !rest.is_empty() {
            let padding = memchr::memchr(b'=', rest);
            let end = padding.map_or(rest.len(), |at| (at / 4 + 1) * 4);
            let (group, after) = rest.split_at(end.min(rest.len()));
            let decoded = std::str::from_utf8(group).ok().and_then(base64::decode);
            let decoded = decoded
                .ok_or_else(|| Error::invalid_argument("the body is not in Base64, as it says"))?;
            bytes.extend_from_slice(&decoded);
            rest = after;
        }
        Ok(bytes.into())
    }
}

impl Stream for Decoded {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.ended {
            match ready!(this.body.poll_piece(cx)).transpose()? {
                Some(Piece::Data(data)) => this.buffer.extend_from_slice(&data),
                Some(trailers) => return Poll::Ready(Some(Ok(trailers))),
                None => this.ended = true,
            }
            let bytes = this.take().inspect_err(|_| this.ended = true)?;
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Piece::Data(bytes))));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::http::body_of;

    #[tokio::test]
    async fn padding_may_occur_anywhere_in_any_portions() {
        let text = [b"hello".as_slice(), b"w", b"orld!!"]
            .map(base64::encode)
            .concat();
        for by in 1..=text.len() {
            let pieces = text.as_bytes().chunks(by).map(Bytes::copy_from_slice);
            let body = decoded(body_of(pieces.collect()));
            let (bytes, _) = body.collect(100).await.unwrap();
            assert_eq!(bytes, "helloworld!!", "cut by {by}");
        }
        let wrong = decoded(body_of(vec!["AA!A".into()]));
        assert!(wrong.collect(100).await.is_err());
    }

    #[tokio::test]
    async fn pieces_are_encoded_separately() {
        let body = encoded(body_of(vec!["a".into(), "bc".into()]));
        let (text, _) = body.collect(100).await.unwrap();
        assert_eq!(text, "YQ==YmM=");
    }
}
