//! The client's side: converts gRPC requests into those of gRPC-Web, and responses back.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};

use super::{
    super::head::ENCODING,
    dialect::{BINARY, GRPC},
    trailers::TRAILERS,
};
use crate::{
    error::{Error, Result},
    http::{HttpBody, Piece, compression::Encoding},
    protocols::envelope::{COMPRESSED, PREFIX},
};

/// Converts a gRPC request.
pub(crate) fn request(mut request: Request<HttpBody>) -> Request<HttpBody> {
    let headers = request.headers_mut();
    headers.remove(header::TE);
    rename(headers, GRPC, BINARY);
    headers.insert("x-grpc-web", HeaderValue::from_static("1"));
    request
}

/// Converts a response, with trailers of at most `most` bytes.
pub(crate) fn response(mut response: Response<HttpBody>, most: usize) -> Response<HttpBody> {
    rename(response.headers_mut(), BINARY, GRPC);
    let encoding = response.headers().get(ENCODING);
    let encoding = encoding.and_then(|encoding| encoding.to_str().ok());
    // Unknown flags are reported when the messages are read.
    let encoding = encoding.and_then(|encoding| Encoding::named(encoding).ok()?);
    response.map(|body| {
        HttpBody::stream(Split {
            body,
            encoding,
            buffer: BytesMut::new(),
            left: 0,
            most,
            ended: false,
        })
    })
}

/// Changes the family of a content type; an unknown one becomes one that neither family has.
fn rename(headers: &mut HeaderMap, from: &str, to: &str) {
    let named = headers.get(header::CONTENT_TYPE);
    let Some(named) = named.and_then(|named| named.to_str().ok()) else {
        return;
    };
    let renamed = match named.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with(['+', ';']) => format!("{to}{rest}"),
        _ => format!("not-grpc-web {named}"),
    };
    if let Ok(renamed) = HeaderValue::try_from(renamed) {
        headers.insert(header::CONTENT_TYPE, renamed);
    }
}

/// A body whose trailers are taken out.
struct Split {
    body: HttpBody,
    encoding: Option<Encoding>,
    /// Received bytes that were not passed on.
    buffer: BytesMut,
    /// Bytes of the message that is being passed on, its prefix included.
    left: usize,
    most: usize,
    ended: bool,
}

impl Split {
    /// Returns the received bytes that can be passed on.
    fn take(&mut self) -> Result<Option<Piece>> {
        let mut whole = 0;
        loop {
            if self.left > 0 {
                let part = self.left.min(self.buffer.len() - whole);
                whole += part;
                self.left -= part;
            }
            let rest = &self.buffer[whole..];
            let Some(prefix) = rest.first_chunk::<PREFIX>().filter(|_| self.left == 0) else {
                break;
            };
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            if prefix[0] & TRAILERS == 0 {
                self.left = PREFIX + length;
                continue;
            }
            if whole > 0 {
                break;
            }
            let is_compressed = prefix[0] & COMPRESSED != 0;
            if length > self.most || prefix[0] & !(TRAILERS | COMPRESSED) != 0 {
                return Err(Error::internal("the trailers cannot be read"));
            }
            if rest.len() < PREFIX + length {
                return Ok(None);
            }
            self.buffer.advance(PREFIX);
            let mut lines = self.buffer.split_to(length).freeze();
            self.ended = true;
            if is_compressed {
                let encoding = self.encoding.ok_or_else(|| {
                    Error::internal("the trailers are compressed, and `grpc-encoding` is missing")
                })?;
                lines = encoding.decompress(&lines, self.most)?;
            }
            return Ok(Some(Piece::Trailers(read(&lines)?)));
        }
        let data: Bytes = self.buffer.split_to(whole).freeze();
        Ok((!data.is_empty()).then_some(Piece::Data(data)))
    }
}

impl Stream for Split {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            if let Some(piece) = this.take().inspect_err(|_| this.ended = true)? {
                return Poll::Ready(Some(Ok(piece)));
            }
            match ready!(this.body.poll_piece(cx)).transpose()? {
                Some(Piece::Data(data)) => this.buffer.extend_from_slice(&data),
                Some(Piece::Trailers(_)) => {}
                None => {
                    this.ended = true;
                    // The beginning of a message, whose reader finds that it is incomplete.
                    let rest = this.buffer.split().freeze();
                    return Poll::Ready((!rest.is_empty()).then_some(Ok(Piece::Data(rest))));
                }
            }
        }
    }
}

/// Parses the lines of trailers.
fn read(lines: &[u8]) -> Result<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for channel in lines.split(|byte| *byte == b'\n') {
        let channel = channel.trim_ascii();
        if channel.is_empty() {
            continue;
        }
        let colon = channel.iter().position(|byte| *byte == b':');
        let pair = colon.and_then(|colon| {
            let name = HeaderName::from_bytes(channel[..colon].trim_ascii()).ok()?;
            let value = HeaderValue::from_bytes(channel[colon + 1..].trim_ascii()).ok()?;
            Some((name, value))
        });
        let (name, value) = pair.ok_or_else(|| Error::internal("the trailers cannot be read"))?;
        trailers.append(name, value);
    }
    Ok(trailers)
}
