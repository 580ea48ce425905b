//! How another protocol takes a connection over that began as HTTP/1.1.

use async_trait::async_trait;
use http::request::Parts;

use super::dispatcher::RequestDispatcher;
use crate::http::h1::Upgraded;

/// A protocol whose messages are HTTP/1.1's, but that does not answer each request by one response.
#[async_trait]
pub(crate) trait Takeover: Send + Sync + 'static {
    /// Whether it takes over from the request with this head.
    fn wants(&self, head: &Parts) -> bool;

    /// Serves the connection until it ends; it takes every later request, too. Dropping the future ends it at once.
    async fn serve(&self, connection: Upgraded<RequestDispatcher>);
}
