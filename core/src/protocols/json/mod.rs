//! Server HTTP: `POST /Greeter.Hello` with a body of any content type the endpoint knows, JSON mostly. The
//! server's [`Dialect`](super::dialect::Dialect), and a client's way to a node.

mod client;
mod dialect;
mod lines;
mod read;

pub(crate) use client::connect;
pub(crate) use dialect::Server;

/// Messages of a stream, one JSON value a line.
const LINES: &str = "application/x-ndjson";
