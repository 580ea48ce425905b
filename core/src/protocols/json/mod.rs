//! Plain HTTP: `POST /Greeter.Hello` with a body of any content type that the endpoint supports, mostly JSON. The
//! server's [`Dialect`](super::dialect::Dialect), and a client's peer.

mod client;
mod dialect;
mod lines;
mod read;

pub(crate) use client::connect;
pub(crate) use dialect::Server;

/// The messages of a stream, one JSON value a line.
const LINES: &str = "application/x-ndjson";
