//! HTTP/1.1 and 1.0: RFC 9112, strictly; what is unclear is refused and the connection closed.

mod broken;
mod date;
mod decoder;
mod detect;
mod exchange;
mod framing;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod head;
mod hijack;
mod inbox;
mod outbox;
mod pooled;
mod reader;
mod respond;
mod serve;
mod target;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

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

pub(crate) use broken::Broken;
pub(crate) use framing::BodyFraming;
pub(crate) use head::{expects_continue, is_kept};
pub(crate) use hijack::{Hijack, Taken};
pub(crate) use outbox::Outbox;
pub(crate) use pooled::Node;
pub(crate) use reader::{Body, Reader};
pub(crate) use wire::Wire;
pub(crate) use writer::{
    write_chunk_size, write_continue, write_last_chunk, write_request, write_response,
};

/// What it is called in TLS's negotiation.
pub(crate) const ALPN: &str = "http/1.1";

/// The server's side of HTTP/1.1.
pub(crate) struct H1 {
    pub(crate) limits: Arc<Limits>,
    /// Whose pages may call.
    pub(crate) origins: Option<Arc<Origins>>,
    /// In the order in which they are asked.
    pub(crate) dialects: Arc<[Arc<dyn Dialect>]>,
    /// Who may take a connection over from the request that says it is theirs.
    pub(crate) hijackers: Vec<Arc<dyn Hijack>>,
}

#[async_trait]
impl Protocol for H1 {
    fn name(&self) -> &str {
        "http/1.1"
    }

    fn detect(&self, first: &[u8]) -> Detect {
        detect::detect(first)
    }

    fn alpn(&self) -> &[&'static str] {
        &[ALPN]
    }

    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
        let buffered = connection.seat.buffered().clone();
        let access = Access::new(self.origins.clone(), &connection.io, call.clone());
        let (limits, dialects) = (self.limits.clone(), self.dialects.clone());
        let site = Site::new(call, limits, buffered, access, dialects);
        serve::serve(connection, site, &self.hijackers).await;
    }
}
