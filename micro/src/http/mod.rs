//! HTTP/1.1 and HTTP/2: engines over [`net`](crate::net), the bodies of messages, and compression.

pub(crate) mod body;
pub(crate) mod coding;
pub(crate) mod compression;
pub(crate) mod h1;
#[cfg(feature = "grpc")]
pub(crate) mod h2;
pub(crate) mod intake;
mod service;

pub(crate) use body::{HttpBody, Piece, Prefixed, too_large};
pub(crate) use service::{HttpAnswer, HttpBegun, HttpService};

/// A body of these pieces.
#[cfg(test)]
pub(crate) fn body_of(pieces: Vec<bytes::Bytes>) -> HttpBody {
    let pieces = pieces.into_iter().map(Piece::Data).collect();
    HttpBody::stream(body::tests::Parts(pieces))
}
