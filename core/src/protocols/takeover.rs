//! Protocols that take over a connection which began as HTTP/1.1.

use async_trait::async_trait;
use http::request::Parts;

use super::dispatcher::RequestDispatcher;
use crate::http::h1::Upgraded;

/// A protocol that uses HTTP/1.1 messages, but does not answer each request with one response.
#[async_trait]
pub(crate) trait Takeover: Send + Sync + 'static {
    /// Whether the protocol takes over at a request with this head.
    fn wants(&self, head: &Parts) -> bool;

    /// Serves this and all later requests of the connection until it closes. Dropping the future closes it at once.
    async fn serve(&self, connection: Upgraded<RequestDispatcher>);
}
