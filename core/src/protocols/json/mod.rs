//! Plain HTTP: `POST /Greeter.Hello` with a body of any content type the endpoint knows, JSON mostly. The
//! server's [`Dialect`](super::Dialect), and a client's way to a node.

mod client;
mod dialect;
mod lines;
mod read;

use http::HeaderName;

pub(crate) use client::Node;
pub(crate) use dialect::{Plain, failed, timeout};
pub(crate) use read::answer as read_answer;

/// Nanoseconds that are left for the call, decimal; go-micro's name for it.
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("timeout");

/// Messages of a stream, one JSON value a line.
const LINES: &str = "application/x-ndjson";
