//! The transport that always calls nodes with gRPC.

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
/// The path of a call is `/<service>.<Type>/<Method>`, as in go-micro, or the `path` in the metadata of the node's
/// endpoint. Servers listen as with [`Socket`], whose port accepts gRPC too.
#[derive(Clone, Default)]
pub struct Grpc(Socket);

impl Grpc {
    /// Creates a transport with the system's network and the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the network, such as a simulated one.
    pub fn network(self, network: impl Network) -> Self {
        Grpc(self.0.network(network))
    }

    /// Sets the limits. The result shares no connections with other clones.
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
