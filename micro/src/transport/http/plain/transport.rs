//! The transport that calls by plain HTTP whatever a node says it speaks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    call::Call,
    error::Result,
    registry::Node,
    transport::{Limits, Listener, Native, Peer, Transport, io::Network},
};

/// Plain JSON over HTTP/1.1, by TCP (`host:port`) or Unix sockets (`unix:PATH`).
///
/// Calls go to `POST /<service>.<Type>/<Method>`. Answers may be streams, requests not. It listens as
/// [`Native`] does, whose port takes plain JSON as well.
#[derive(Clone, Default)]
pub struct Http(Native);

impl Http {
    /// Over the machine's own network, with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same over another network, such as a simulated one.
    pub fn network(self, network: impl Network) -> Self {
        Http(self.0.network(network))
    }

    /// The same with other limits, and connections of its own.
    pub fn limits(self, limits: Limits) -> Self {
        Http(self.0.limits(limits))
    }
}

#[async_trait]
impl Transport for Http {
    fn name(&self) -> &str {
        "http"
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(self.0.plain(node)))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        self.0.listen(address, call).await
    }
}
