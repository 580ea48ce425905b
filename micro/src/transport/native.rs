//! The default transport: the native protocol over TCP or Unix sockets.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

#[cfg(feature = "tls")]
use super::tls::{self, Tls};
#[cfg(feature = "grpc")]
use crate::transport::grpc;
#[cfg(feature = "http")]
use crate::transport::{http, mucp};
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
    #[cfg(feature = "tls")]
    tls: (Tls, Arc<tls::Client>),
}

/// Whether a node's record says that it refuses plaintext.
pub(crate) fn asks_for_tls(node: &Node) -> bool {
    node.metadata.get("tls").is_some_and(|tls| tls == "true")
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
            #[cfg(feature = "tls")]
            tls: of(Tls::new()),
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

    /// The same with TLS: what it shows, whom it trusts, and what it refuses.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = of(tls);
        self
    }

    /// Its TLS, to be changed and given back.
    #[cfg(feature = "tls")]
    pub(crate) fn own_tls(&self) -> Tls {
        self.tls.0.clone()
    }

    /// What connections to a node are made by.
    #[cfg(feature = "tls")]
    fn network_to(&self, node: &Node) -> Result<SharedNetwork> {
        let (tls, client) = &self.tls;
        if !tls.is_for(node) {
            return Ok(self.network.clone());
        }
        Ok(Arc::new(tls::Over {
            network: self.network.clone(),
            client: client.clone(),
        }))
    }

    /// What connections to a node are made by.
    #[cfg(not(feature = "tls"))]
    fn network_to(&self, node: &Node) -> Result<SharedNetwork> {
        if asks_for_tls(node) {
            return Err(crate::Error::failed_precondition(format!(
                "node `{}` takes TLS only, which is not built in; enable the `tls` feature",
                node.id
            ))
            .with_outcome(crate::Outcome::NotSent));
        }
        Ok(self.network.clone())
    }

    /// A way to a node that speaks gRPC.
    #[cfg(feature = "grpc")]
    pub(super) fn grpc(&self, node: &Node) -> Result<grpc::Node> {
        let (network, limits) = (self.network_to(node)?, self.limits.clone());
        Ok(grpc::Node::new(node, network, limits, self.pool.clone()))
    }

    /// A way to a node that speaks go-micro's protocol; `old` is for one that wants its envelopes.
    #[cfg(feature = "http")]
    pub(super) fn mucp(&self, node: &Node, old: bool) -> Result<mucp::Node> {
        let (network, limits) = (self.network_to(node)?, self.limits.clone());
        Ok(mucp::Node::new(
            node,
            old,
            network,
            limits,
            self.pool.clone(),
        ))
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

#[cfg(feature = "tls")]
fn of(tls: Tls) -> (Tls, Arc<tls::Client>) {
    let client = tls::Client::new(&tls, &mux::ALPN);
    (tls, Arc::new(client))
}

#[async_trait]
impl Transport for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn protocols(&self) -> Vec<String> {
        mux::protocols()
    }

    #[cfg(feature = "tls")]
    fn metadata(&self) -> &[(&'static str, &'static str)] {
        match self.tls.0.require {
            true => &[("tls", "true")],
            false => &[],
        }
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(mux::Node::new(
            &node.address,
            self.network_to(node)?,
            self.limits.clone(),
            self.pool.clone(),
        )))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        let protocols = self.spoken();
        #[cfg(feature = "tls")]
        let alpn: Vec<&str> = protocols
            .iter()
            .flat_map(|protocol| protocol.alpn())
            .copied()
            .collect();
        let port = Port {
            network: self.network.clone(),
            #[cfg(feature = "tls")]
            tls: tls::Server::new(&self.tls.0, &alpn)?.map(Arc::new),
            protocols,
            limits: self.limits.clone(),
            runtimes: self.runtimes.clone(),
        };
        port.listen(address, call).await
    }
}
