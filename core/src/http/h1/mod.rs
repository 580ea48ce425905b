//! HTTP/1.1 and 1.0: RFC 9112, strictly. Anything ambiguous is refused, and the connection closed.

mod date;
mod decoder;
mod detect;
mod error;
mod exchange;
mod framing;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod head;
mod inbox;
mod message_io;
mod outbox;
mod pooled;
mod reader;
mod respond;
mod serve;
mod target;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use detect::{EXAMPLES, detect};
pub(crate) use error::MessageError;
#[cfg(feature = "http-client")]
pub(crate) use exchange::Exchange;
pub(crate) use framing::BodyFraming;
pub(crate) use head::{expects_continue, is_kept};
pub(crate) use message_io::MessageIo;
pub(crate) use outbox::Outbox;
pub(crate) use pooled::{NodeConnections, PooledConnection};
pub(crate) use reader::{Body, Reader};
pub(crate) use serve::{Upgraded, serve};
pub(crate) use writer::{
    write_chunk_size, write_continue, write_last_chunk, write_request, write_response,
};

/// The name in TLS's negotiation (ALPN).
pub(crate) const ALPN: &str = "http/1.1";
