//! Connect, as <https://connectrpc.com/docs/protocol> has it: calls by plain HTTP posts (or GETs of what
//! changes nothing), streams of enveloped messages; the server's [`Dialect`](super::http::Dialect).

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

pub(crate) use dialect::Server;
