//! Connect, as <https://connectrpc.com/docs/protocol> has it: calls by plain HTTP posts (or GETs of what
//! changes nothing), streams of enveloped messages: the server's [`Dialect`](crate::protocols::dialect::Dialect), and a client's way to a
//! node.

mod client;
mod code;
mod dialect;
mod end;
mod error;
mod head;
mod messages;
mod metadata;
mod query;
mod stream;
mod unary;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests;

pub(crate) use client::connect;
pub(crate) use dialect::Server;
