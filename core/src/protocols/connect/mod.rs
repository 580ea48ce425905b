//! Connect, <https://connectrpc.com/docs/protocol>: unary calls by HTTP posts (or GETs if they are
//! read-only), and streams of enveloped messages. The server's [`Dialect`](crate::protocols::dialect::Dialect), and a client's
//! peer.

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
