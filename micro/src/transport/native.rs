//! The default transport: the native protocol over TCP or Unix sockets.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

#[cfg(feature = "grpc")]
use crate::transport::grpc;
#[cfg(feature = "http")]
use crate::transport::http;
use crate::{
    call::Call,
    error::Result,
    registry::Node,
    transport::{
        Limits, Listener, Peer, Transport,
        io::{Network, SharedNetwork, Sockets},
        mux,
        pool::Pool,
        port::Port,
        protocol::Protocol,
    },
};

/// The native protocol over TCP (`host:port`) or Unix sockets (`unix:PATH`).
///
#[doc = include_str!("mux/PROTOCOL.md")]
#[derive(Clone)]
pub struct Native {
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    runtimes: Vec<Handle>,
}

impl Default for Native {
    fn default() -> Self {
        Self::new()
    }
}

impl Native {
    /// Over the machine's own network, with the default limits.
    pub fn new() -> Self {
        let limits = Limits::default();
        Native {
            network: Arc::new(Sockets::default()),
            pool: Pool::new(limits.connections),
            limits: Arc::new(limits),
            runtimes: Vec::new(),
        }
    }

    /// The same over another network, such as a simulated one.
    pub fn network(mut self, network: impl Network) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// The same with other limits, and connections of its own.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.pool = Pool::new(limits.connections);
        self.limits = Arc::new(limits);
        self
    }

    /// The same with its limits changed.
    pub fn limit(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(Arc::make_mut(&mut self.limits));
        self
    }

    /// A way to a node that speaks gRPC.
    #[cfg(feature = "grpc")]
    pub(super) fn grpc(&self, node: &Node) -> grpc::Node {
        let (network, limits) = (self.network.clone(), self.limits.clone());
        grpc::Node::new(node, network, limits, self.pool.clone())
    }

    /// What a port speaks.
    fn spoken(&self) -> Vec<Arc<dyn Protocol>> {
        let native = mux::Native {
            limits: self.limits.clone(),
        };
        let mut all: Vec<Arc<dyn Protocol>> = vec![Arc::new(native)];
        #[cfg(feature = "http")]
        all.extend(http::protocols(&self.limits));
        all
    }

    /// The same, handing connections round these runtimes.
    pub(crate) fn runtimes(mut self, runtimes: Vec<Handle>) -> Self {
        self.runtimes = runtimes;
        self
    }
}

#[async_trait]
impl Transport for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn protocols(&self) -> Vec<String> {
        mux::protocols()
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(mux::Node::new(
            &node.address,
            self.network.clone(),
            self.limits.clone(),
            self.pool.clone(),
        )))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        let port = Port {
            network: self.network.clone(),
            protocols: self.spoken(),
            limits: self.limits.clone(),
            runtimes: self.runtimes.clone(),
        };
        port.listen(address, call).await
    }
}
