//! HTTP/2 over the `h2` crate: the server's side as a [`Protocol`], and a client's connections.
//!
//! `h2` keeps the state of the protocol; what is ours is who runs what when, and what a peer may
//! cost ([`guard`]).

pub(crate) mod client;
mod guard;
mod head;
mod incoming;
pub(crate) mod node;
mod pulse;
mod respond;
mod send;
mod serve;
mod upload;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    call::Call,
    net::{
        Limits,
        protocol::{Accepted, Detect, Protocol},
    },
    protocols::{Dialect, Site, access::Access, cors::Origins},
};

/// What a client says first: RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Its name in the negotiation of TLS.
pub(crate) const ALPN: [&str; 1] = ["h2"];

/// The server's side of HTTP/2.
pub(crate) struct Http2 {
    pub(crate) limits: Arc<Limits>,
    /// Whose pages may call.
    pub(crate) origins: Option<Arc<Origins>>,
    pub(crate) dialects: Arc<[Arc<dyn Dialect>]>,
}

#[async_trait]
impl Protocol for Http2 {
    fn name(&self) -> &str {
        "http/2"
    }

    fn alpn(&self) -> &[&'static str] {
        &ALPN
    }

    fn detect(&self, first: &[u8]) -> Detect {
        Detect::prefix(first, PREFACE)
    }

    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
        let buffered = connection.seat.buffered().clone();
        let access = Access::new(self.origins.clone(), &connection.io, call.clone());
        let (limits, dialects) = (self.limits.clone(), self.dialects.clone());
        let site = Site::new(call, limits, buffered, access, dialects);
        serve::serve(connection, site).await;
    }
}

/// Names of headers that belong to a connection, which HTTP/2 forbids: RFC 9113, section 8.2.2.
pub(crate) fn is_of_connection(name: &http::HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "te"
    )
}
