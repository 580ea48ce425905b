//! The transport that calls by go-micro's protocol whatever a node says it speaks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    call::Call,
    error::Result,
    registry::Node,
    transport::{Limits, Listener, Native, Peer, Transport, io::Network},
};

/// go-micro's own protocol over TCP (`host:port`) or Unix sockets (`unix:PATH`).
///
/// To nodes whose record does not say which `protocol` they speak, it sends the envelopes of before 2019, as
/// go-micro's clients do; [`Mucp::new_to_all`] does not. It listens as [`Native`] does, whose port speaks this
/// as well.
#[derive(Clone, Default)]
pub struct Mucp {
    native: Native,
    new: bool,
}

impl Mucp {
    /// Over the machine's own network, with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same without envelopes, whatever a node's record says.
    pub fn new_to_all(mut self) -> Self {
        self.new = true;
        self
    }

    /// The same over another network, such as a simulated one.
    pub fn network(mut self, network: impl Network) -> Self {
        self.native = self.native.network(network);
        self
    }

    /// The same with other limits, and connections of its own.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.native = self.native.limits(limits);
        self
    }
}

/// Whether a node wants the envelopes of before 2019: one of go-micro's that does not say what it speaks.
pub(crate) fn is_old(node: &Node) -> bool {
    let said = |name| node.metadata.contains_key(name);
    !said("protocol") && !said("protocols")
}

#[async_trait]
impl Transport for Mucp {
    fn name(&self) -> &str {
        "mucp"
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        let old = !self.new && is_old(node);
        Ok(Arc::new(self.native.mucp(node, old)?))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        self.native.listen(address, call).await
    }
}
