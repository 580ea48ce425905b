//! HTTP/1.1 and HTTP/2: engines over [`net`](crate::net), the bodies of messages, and compression.

#![cfg_attr(
    not(all(
        feature = "json",
        feature = "connect",
        feature = "mucp",
        feature = "grpc"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "each dialect, and the client of plugins, uses other parts of what they share"
    )
)]

#[cfg(feature = "http1")]
pub(crate) mod body;
#[cfg(feature = "http-client")]
pub mod client;
#[cfg(feature = "http")]
pub(crate) mod coding;
#[cfg(feature = "http")]
pub(crate) mod compression;
#[cfg(feature = "http1")]
pub(crate) mod h1;
#[cfg(feature = "grpc")]
pub(crate) mod h2;
#[cfg(feature = "http1")]
pub(crate) mod intake;
#[cfg(feature = "http1")]
mod service;

#[cfg(feature = "http1")]
pub(crate) use body::{HttpBody, Piece, Prefixed, too_large};
#[cfg(feature = "http1")]
pub(crate) use service::{HttpAnswer, HttpBegun, HttpService};

/// The user agent of our clients.
#[cfg(feature = "http")]
pub(crate) const USER_AGENT: ::http::HeaderValue =
    ::http::HeaderValue::from_static(concat!("micro-rs/", env!("CARGO_PKG_VERSION")));

/// A body of these pieces.
#[cfg(all(test, feature = "http"))]
pub(crate) fn body_of(pieces: Vec<bytes::Bytes>) -> HttpBody {
    let pieces = pieces.into_iter().map(Piece::Data).collect();
    HttpBody::stream(body::tests::Parts(pieces))
}
