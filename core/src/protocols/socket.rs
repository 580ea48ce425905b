//! The default transport: the native protocol over TCP or Unix sockets.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;

#[cfg(any(feature = "grpc", feature = "connect", feature = "json"))]
use super::client::{PeerOptions, Version};
#[cfg(feature = "connect")]
use super::connect;
#[cfg(feature = "grpc")]
use super::grpc;
#[cfg(feature = "json")]
use super::json;
#[cfg(feature = "http")]
use super::origins::Origins;
use super::wire_protocol::{self, WireProtocol};
#[cfg(feature = "mucp")]
use super::{
    dialect::Dialect,
    mucp,
    server::{DispatcherFactory, Http1},
};
#[cfg(feature = "mucp")]
use crate::call::{Operation, Operations, Refusal};
#[cfg(any(feature = "grpc", feature = "connect"))]
use crate::http::compression::Encoding;
#[cfg(feature = "mucp")]
use crate::http::h1;
#[cfg(feature = "tls")]
use crate::net::tls::{self, Tls};
use crate::{
    call::Call,
    error::Result,
    net::{
        Limits, Listener,
        io::{Network, SharedNetwork, Sockets},
        pool::Pool,
        port::Port,
        protocol::Protocol,
    },
    node::Node,
    transport::{Peer, Transport, addressee::Addressee, mux},
};

/// The native protocol over TCP (`host:port`) or Unix sockets (`unix:PATH`).
///
#[doc = include_str!("../transport/mux/PROTOCOL.md")]
#[derive(Clone)]
pub struct Socket {
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    runtimes: Vec<Handle>,
    /// Protocols that its port speaks beside the built-in ones.
    protocols: Vec<Arc<dyn Protocol>>,
    /// The service that calls; empty where it is none.
    caller: Arc<str>,
    /// What is spoken whatever a node says; what the node says where unsaid.
    only: Option<WireProtocol>,
    /// How requests of gRPC and Connect are compressed.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    compression: Option<Encoding>,
    /// Whose pages may call.
    #[cfg(feature = "http")]
    origins: Option<Origins>,
    #[cfg(feature = "tls")]
    tls: tls::TlsClients,
}

impl Default for Socket {
    fn default() -> Self {
        Self::new()
    }
}

impl Socket {
    /// The protocols that its clients can be told to speak: those that are built in.
    pub const SPEAKS: [&str; wire_protocol::BUILT_IN_COUNT] = wire_protocol::names();

    /// Over the machine's own network, with the default limits.
    pub fn new() -> Self {
        let limits = Limits::default();
        Socket {
            network: Arc::new(Sockets::default()),
            pool: Pool::new(limits.max_connections),
            limits: Arc::new(limits),
            runtimes: Vec::new(),
            protocols: Vec::new(),
            caller: "".into(),
            only: None,
            #[cfg(any(feature = "grpc", feature = "connect"))]
            compression: None,
            #[cfg(feature = "http")]
            origins: None,
            #[cfg(feature = "tls")]
            tls: tls::TlsClients::new(Tls::new()),
        }
    }

    /// The same over another network, such as a simulated one.
    pub fn network(mut self, network: impl Network) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// The same with other limits, and connections of its own.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.pool = Pool::new(limits.max_connections);
        self.limits = Arc::new(limits);
        self
    }

    /// The same with its limits changed, and connections of its own.
    pub fn limit(self, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::clone(&self.limits);
        change(&mut limits);
        self.limits(limits)
    }

    /// The same with TLS: what it shows, whom it trusts, and what it refuses.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls::TlsClients::new(tls);
        self
    }

    /// Its TLS, to be changed and given back.
    #[cfg(feature = "tls")]
    pub fn own_tls(&self) -> Tls {
        self.tls.said().clone()
    }

    /// Whom a client means when it calls a node.
    fn addressee(&self, node: &Node) -> Addressee {
        Addressee::of(node, &self.caller)
    }

    /// What connections to a node are made by; `alpn` names what will be spoken.
    #[cfg(feature = "tls")]
    fn network_to(&self, node: &Node, alpn: &'static str) -> Result<SharedNetwork> {
        if !self.tls.said().is_for(node) {
            return Ok(self.network.clone());
        }
        Ok(Arc::new(tls::TlsNetwork {
            network: self.network.clone(),
            client: self.tls.to(alpn),
        }))
    }

    /// What connections to a node are made by.
    #[cfg(not(feature = "tls"))]
    fn network_to(&self, node: &Node, _: &'static str) -> Result<SharedNetwork> {
        if node.asks_for_tls() {
            return Err(crate::error::Error::failed_precondition(format!(
                "node `{}` takes TLS only, which is not built in; enable the `tls` feature",
                node.id
            ))
            .with_outcome(crate::error::Outcome::NotSent));
        }
        Ok(self.network.clone())
    }

    /// What a way to a node over HTTP is made of.
    #[cfg(any(feature = "grpc", feature = "connect", feature = "json"))]
    fn options<'a>(&self, node: &'a Node, version: Version) -> Result<PeerOptions<'a>> {
        Ok(PeerOptions {
            node,
            addressee: self.addressee(node),
            version,
            #[cfg(any(feature = "grpc", feature = "connect"))]
            compression: self.compression,
            #[cfg(not(any(feature = "grpc", feature = "connect")))]
            compression: None,
            network: self.network_to(node, version.alpn())?,
            limits: self.limits.clone(),
            pool: self.pool.clone(),
        })
    }

    /// A way to a node that speaks gRPC.
    #[cfg(feature = "grpc")]
    pub(crate) fn grpc(&self, node: &Node) -> Result<impl Peer + use<>> {
        self.of_grpc(node, Version::Two, false)
    }

    /// The same, or gRPC-Web.
    #[cfg(feature = "grpc")]
    fn of_grpc(&self, node: &Node, version: Version, on_web: bool) -> Result<impl Peer + use<>> {
        Ok(grpc::connect(self.options(node, version)?, on_web))
    }

    /// A way to a node that speaks Connect.
    #[cfg(feature = "connect")]
    fn connect(&self, node: &Node, version: Version) -> Result<impl Peer + use<>> {
        Ok(connect::connect(self.options(node, version)?))
    }

    /// A way to a node that speaks go-micro's protocol; `old` is for one that wants its envelopes.
    #[cfg(feature = "mucp")]
    fn mucp(&self, node: &Node, old: bool) -> Result<mucp::Node> {
        let (network, limits) = (self.network_to(node, h1::ALPN)?, self.limits.clone());
        Ok(mucp::Node::new(
            node,
            self.addressee(node),
            old,
            network,
            limits,
            self.pool.clone(),
        ))
    }

    /// Connections to a node, for whoever speaks HTTP/1.1 to it; `secure` says that it takes TLS only.
    #[cfg(feature = "mucp")]
    pub(crate) fn connection_pool(
        &self,
        node: &Node,
        secure: bool,
    ) -> Result<Arc<mucp::ConnectionPool>> {
        let network = match secure {
            true => self.network_to(&node.clone().with_metadata("tls", "true"), h1::ALPN)?,
            false => self.network_to(node, h1::ALPN)?,
        };
        let (limits, pool) = (self.limits.clone(), self.pool.clone());
        Ok(mucp::ConnectionPool::new(
            &node.address,
            network,
            limits,
            pool,
        ))
    }

    /// Whether what listens here refuses plaintext.
    #[cfg(feature = "mucp")]
    pub(crate) fn refuses_plaintext(&self) -> bool {
        #[cfg(feature = "tls")]
        let refuses = self.tls.said().refuses_plaintext();
        #[cfg(not(feature = "tls"))]
        let refuses = false;
        refuses
    }

    /// Answers plain HTTP/1.1 at an address, with the TLS that every listener of this transport has; over
    /// loopback those who ask for one of `hosts` too.
    #[cfg(feature = "mucp")]
    pub(crate) async fn listen_http(
        &self,
        address: &str,
        hosts: Vec<String>,
        dialect: Arc<dyn Dialect>,
    ) -> Result<Box<dyn Listener>> {
        let port = Port {
            network: self.network.clone(),
            #[cfg(feature = "tls")]
            tls: tls::Server::new(self.tls.said(), &[h1::ALPN])?.map(Arc::new),
            protocols: vec![Arc::new(Http1 {
                dispatchers: DispatcherFactory {
                    limits: self.limits.clone(),
                    origins: None,
                    dialects: Arc::new([dialect]),
                },
                takeovers: Vec::new(),
            })],
            limits: self.limits.clone(),
            runtimes: self.runtimes.clone(),
        };
        port.listen(address, Arc::new(NoEndpoints { hosts })).await
    }

    /// A way to a node that takes plain JSON over HTTP.
    #[cfg(feature = "json")]
    fn plain(&self, node: &Node) -> Result<impl Peer + use<>> {
        Ok(json::connect(self.options(node, Version::One)?))
    }

    /// What a port speaks.
    pub(crate) fn all_protocols(&self) -> Vec<Arc<dyn Protocol>> {
        let limits = self.limits.clone();
        let native: Arc<dyn Protocol> = Arc::new(mux::Native { limits });
        #[cfg(feature = "http")]
        let others = super::built_in::protocols(&self.limits, self.origins.as_ref());
        #[cfg(not(feature = "http"))]
        let others = Vec::new();
        [vec![native], others, self.protocols.clone()].concat()
    }

    /// Every protocol that has a name, built in or not, with the cargo features that build it in.
    #[doc(hidden)]
    pub fn features() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        let all = wire_protocol::PROTOCOL_TABLE.iter();
        all.map(|entry| (entry.name, entry.features))
    }

    /// The same, speaking `protocol` to every node, whatever their records say; one of
    /// [`SPEAKS`](Self::SPEAKS), of which `native` is the default: the best of what a node says.
    pub fn speaking(mut self, protocol: &str) -> Result<Self> {
        self.only = WireProtocol::of_name(protocol)?;
        Ok(self)
    }

    /// The same, compressing requests of gRPC and Connect: `gzip`, `zstd` where it is built in, or
    /// `identity`, the default. Answers are compressed as servers see fit.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub fn compressing(mut self, name: &str) -> Result<Self> {
        self.compression = Encoding::named(name)?;
        Ok(self)
    }

    /// The same, whose port lets in pages of these origins, with commas between them, or of all by `*`.
    /// Otherwise pages of the port's own origin call, and those of others are refused.
    ///
    /// # Errors
    /// `InvalidArgument` where one is no origin, such as `https://shop.example`.
    #[cfg(feature = "http")]
    pub fn cors_origins(mut self, origins: &str) -> Result<Self> {
        self.origins = Some(Origins::parse(origins)?);
        Ok(self)
    }

    /// Adds a protocol to what its port speaks. Nodes list its name under `protocols`; clients need a transport that
    /// speaks it.
    ///
    /// The built-in protocols are asked first about the first bytes of a connection. The new one gets the connections
    /// that it knows by fewer bytes than they need. A protocol whose [examples](Protocol::examples) another protocol of
    /// the port would get, or the other way round, is an error of `listen` that names both.
    pub fn protocol(mut self, protocol: impl Protocol) -> Self {
        self.protocols.push(Arc::new(protocol));
        self
    }

    /// The same on behalf of a service, which is named to those it calls.
    pub fn called_by(mut self, service: &str) -> Self {
        self.caller = service.into();
        self
    }

    /// The same, handing connections round these runtimes.
    pub fn runtimes(mut self, runtimes: Vec<Handle>) -> Self {
        self.runtimes = runtimes;
        self
    }
}

/// Has no endpoints.
#[cfg(feature = "mucp")]
struct NoEndpoints {
    hosts: Vec<String>,
}

#[cfg(feature = "mucp")]
impl Operations for NoEndpoints {
    fn serve(&self, _: Operation, _: Option<Arc<dyn Call>>) -> Option<Arc<dyn Call>> {
        None
    }

    fn hosts(&self) -> &[String] {
        &self.hosts
    }

    fn refused(&self, _: Refusal) {}
}

#[cfg(feature = "mucp")]
impl Call for NoEndpoints {
    fn call(&self, request: crate::message::Request) -> crate::call::Answer {
        let error =
            crate::error::Error::not_found(format!("there is no `{}` here", request.endpoint()));
        Box::pin(async { Err(error) })
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }
}

#[async_trait]
impl Transport for Socket {
    fn name(&self) -> &str {
        "native"
    }

    fn protocols(&self) -> Vec<String> {
        #[cfg(feature = "http")]
        let others = super::built_in::NAMES;
        #[cfg(not(feature = "http"))]
        let others: &[&str] = &[];
        let others = others.iter().map(|name| (*name).to_owned());
        let added = self.protocols.iter();
        let added = added.map(|protocol| protocol.name().to_owned());
        let built_in = mux::protocols().into_iter().chain(others);
        built_in.chain(added).collect()
    }

    fn metadata(&self) -> Vec<(&'static str, &'static str)> {
        #[cfg(feature = "mucp")]
        let always = wire_protocol::TO_GO_MICRO.to_vec();
        #[cfg(not(feature = "mucp"))]
        let always = Vec::new();
        #[cfg(feature = "tls")]
        let tls = self
            .tls
            .said()
            .refuses_plaintext()
            .then_some(Node::TLS_ONLY);
        #[cfg(not(feature = "tls"))]
        let tls = None;
        always.into_iter().chain(tls).collect()
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        Ok(match self.only.unwrap_or_else(|| WireProtocol::of(node)) {
            WireProtocol::Native => Arc::new(mux::Node::new(
                &node.address,
                self.addressee(node),
                self.network_to(node, mux::ALPN)?,
                self.limits.clone(),
                self.pool.clone(),
            )),
            #[cfg(feature = "grpc")]
            WireProtocol::Grpc => Arc::new(self.grpc(node)?),
            #[cfg(feature = "json")]
            WireProtocol::Http => Arc::new(self.plain(node)?),
            #[cfg(feature = "connect")]
            WireProtocol::Connect => Arc::new(self.connect(node, Version::One)?),
            #[cfg(all(feature = "connect", feature = "grpc"))]
            WireProtocol::Connect2 => Arc::new(self.connect(node, Version::Two)?),
            #[cfg(feature = "grpc")]
            WireProtocol::GrpcWeb => Arc::new(self.of_grpc(node, Version::One, true)?),
            #[cfg(feature = "grpc")]
            WireProtocol::GrpcWeb2 => Arc::new(self.of_grpc(node, Version::Two, true)?),
            #[cfg(feature = "mucp")]
            WireProtocol::Mucp => {
                // Who is told to speak it still speaks as a node of before 2019 wants it.
                let old = WireProtocol::of(node) == WireProtocol::OldMucp;
                Arc::new(self.mucp(node, old)?)
            }
            #[cfg(feature = "mucp")]
            WireProtocol::OldMucp => Arc::new(self.mucp(node, true)?),
            #[allow(unreachable_patterns, reason = "it depends on what is built in")]
            other => return Err(other.unknown(node)),
        })
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        let protocols = self.all_protocols();
        #[cfg(feature = "tls")]
        let alpn: Vec<&str> = protocols
            .iter()
            .flat_map(|protocol| protocol.alpn())
            .copied()
            .collect();
        let port = Port {
            network: self.network.clone(),
            #[cfg(feature = "tls")]
            tls: tls::Server::new(self.tls.said(), &alpn)?.map(Arc::new),
            protocols,
            limits: self.limits.clone(),
            runtimes: self.runtimes.clone(),
        };
        port.listen(address, call).await
    }
}
