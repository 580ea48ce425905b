//! go-micro's own protocol over HTTP/1.1, of 2016 to v6: messages with names in headers and bare bodies, or
//! in the envelopes of before 2019; the server's side, and a client's way to a node.
//!
//! A connection carries whole HTTP messages in each direction, which on a stream do not answer each other:
//! so it is taken over from HTTP's own server at the first request that is one of these.

mod client;
mod content;
mod envelope;
mod fault;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod json_rpc;
mod names;
mod proto_rpc;
mod serve;

pub(crate) use client::{ConnectionPool, Exchange, Node};
pub(crate) use fault::write as fault;
#[cfg(fuzzing)]
pub use fuzz::messages as fuzz_messages;
pub(crate) use serve::Server;
