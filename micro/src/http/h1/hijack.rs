//! How another protocol takes a connection over that began as HTTP/1.1.

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;

use super::Reader;
use crate::{
    call::Call,
    net::{Limits, io::Io, protocol::Seat},
    protocols::access::Access,
};

/// A protocol whose messages are HTTP/1.1's, but that does not answer each request by one response.
#[async_trait]
pub(crate) trait Hijack: Send + Sync + 'static {
    /// Whether it takes over from the request with this head.
    fn wants(&self, head: &Parts) -> bool;

    /// Serves the connection until it ends. Dropping the future ends it at once.
    async fn serve(&self, taken: Taken);
}

/// A connection that is handed over. Every request before this one has been answered.
pub(crate) struct Taken {
    pub(crate) io: Io,
    /// What has been read; its body is next. It takes every later request, too.
    pub(crate) reader: Reader,
    /// The head that was wanted. If it expects `100 Continue`, that has been sent.
    pub(crate) head: Parts,
    /// How the port tells it to come to an end.
    pub(crate) seat: Seat,
    pub(crate) call: Arc<dyn Call>,
    /// Which requests may come in; the one at hand may.
    pub(crate) access: Access,
    pub(crate) limits: Arc<Limits>,
}
