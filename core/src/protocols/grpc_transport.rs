//! The transport that calls by gRPC whatever a node says it speaks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    call::Call,
    error::Result,
    net::{Limits, Listener, io::Network},
    node::Node,
    protocols::Socket,
    transport::{Peer, Transport},
};

/// gRPC over TCP (`host:port`) or Unix sockets (`unix:PATH`).
///
/// Calls go to `/<service>.<Type>/<Method>`, as go-micro's do, or to the `path` in the metadata of the
/// node's endpoint. It listens as [`Socket`] does, whose port speaks gRPC as well.
#[derive(Clone, Default)]
pub struct Grpc(Socket);

impl Grpc {
    /// Over the machine's own network, with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same over another network, such as a simulated one.
    pub fn network(self, network: impl Network) -> Self {
        Grpc(self.0.network(network))
    }

    /// The same with other limits, and connections of its own.
    pub fn limits(self, limits: Limits) -> Self {
        Grpc(self.0.limits(limits))
    }
}

#[async_trait]
impl Transport for Grpc {
    fn name(&self) -> &str {
        "grpc"
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(self.0.grpc(node)?))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        self.0.listen(address, call).await
    }
}
