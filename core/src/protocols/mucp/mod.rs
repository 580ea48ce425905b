//! mucp, go-micro's protocol over HTTP/1.1 from 2016 to v6: messages with names in headers and bare bodies, or
//! in the envelopes from before 2019. The server's side, and a client's peer.
//!
//! A connection carries HTTP messages in each direction, which on a stream do not answer each other.
//! Therefore it is taken over from the HTTP server at the first request with these headers.

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
