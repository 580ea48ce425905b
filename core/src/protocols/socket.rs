//! [`Socket`], the default transport: every protocol over TCP or Unix sockets.

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

/// The transport of the one port: over TCP (`host:port`) or Unix sockets (`unix:PATH`), servers accept every built-in
/// protocol, and clients use the best protocol of each node, the native one first.
///
#[doc = include_str!("../transport/mux/PROTOCOL.md")]
#[derive(Clone)]
pub struct Socket {
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    runtimes: Vec<Handle>,
    /// Protocols of the port, besides the built-in ones.
    protocols: Vec<Arc<dyn Protocol>>,
    /// The calling service; empty if there is none.
    caller: Arc<str>,
    /// The protocol to use regardless of the node's record, if set.
    only: Option<WireProtocol>,
    /// The compression of gRPC and Connect requests.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    compression: Option<Encoding>,
    /// The origins whose pages may call.
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
    /// The protocols that clients can be set to: those that are built in.
    pub const CLIENT_PROTOCOLS: [&str; wire_protocol::BUILT_IN_COUNT] = wire_protocol::names();

    /// Creates a socket on the machine's network, with the default limits.
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

    /// Sets the network, such as a simulated one.
    pub fn network(mut self, network: impl Network) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// Sets the limits. The result shares no connections with this socket.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.pool = Pool::new(limits.max_connections);
        self.limits = Arc::new(limits);
        self
    }

    /// Changes the limits. The result shares no connections with this socket.
    pub fn limit(self, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::clone(&self.limits);
        change(&mut limits);
        self.limits(limits)
    }

    /// Sets the TLS: the certificate, the trusted authorities, and what is refused.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls::TlsClients::new(tls);
        self
    }

    /// Returns the TLS to be changed.
    #[cfg(feature = "tls")]
    pub fn own_tls(&self) -> Tls {
        self.tls.said().clone()
    }

    /// The identity that a client expects of a node.
    fn addressee(&self, node: &Node) -> Addressee {
        Addressee::of(node, &self.caller)
    }

    /// Opens connections to a node; `alpn` names the protocol.
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

    /// Opens connections to a node.
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

    /// The parts of a peer over HTTP.
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

    /// The peer of a node over gRPC.
    #[cfg(feature = "grpc")]
    pub(crate) fn grpc(&self, node: &Node) -> Result<impl Peer + use<>> {
        self.of_grpc(node, Version::Two, false)
    }

    /// The peer of a node over gRPC, or gRPC-Web.
    #[cfg(feature = "grpc")]
    fn of_grpc(&self, node: &Node, version: Version, on_web: bool) -> Result<impl Peer + use<>> {
        Ok(grpc::connect(self.options(node, version)?, on_web))
    }

    /// The peer of a node over Connect.
    #[cfg(feature = "connect")]
    fn connect(&self, node: &Node, version: Version) -> Result<impl Peer + use<>> {
        Ok(connect::connect(self.options(node, version)?))
    }

    /// The peer of a node over go-micro's protocol; `old` selects its envelopes from before 2019.
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

    /// Connections to a node for HTTP/1.1; `secure` means that it requires TLS.
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

    /// Whether the listeners refuse plaintext.
    #[cfg(feature = "mucp")]
    pub(crate) fn refuses_plaintext(&self) -> bool {
        #[cfg(feature = "tls")]
        let refuses = self.tls.said().refuses_plaintext();
        #[cfg(not(feature = "tls"))]
        let refuses = false;
        refuses
    }

    /// Answers HTTP/1.1 at an address, with the TLS of every listener of this transport; over
    /// loopback, requests may name one of `hosts`, too.
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

    /// The peer of a node over plain JSON.
    #[cfg(feature = "json")]
    fn plain(&self, node: &Node) -> Result<impl Peer + use<>> {
        Ok(json::connect(self.options(node, Version::One)?))
    }

    /// The protocols of a port.
    pub(crate) fn all_protocols(&self) -> Vec<Arc<dyn Protocol>> {
        let limits = self.limits.clone();
        let native: Arc<dyn Protocol> = Arc::new(mux::Native { limits });
        #[cfg(feature = "http")]
        let others = super::built_in::protocols(&self.limits, self.origins.as_ref());
        #[cfg(not(feature = "http"))]
        let others = Vec::new();
        [vec![native], others, self.protocols.clone()].concat()
    }

    /// Returns the names of all protocols, built in or not, with the cargo features that add them.
    #[doc(hidden)]
    pub fn features() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        let all = wire_protocol::PROTOCOL_TABLE.iter();
        all.map(|entry| (entry.name, entry.features))
    }

    /// Uses `protocol` for every node, regardless of its record: one of
    /// [`CLIENT_PROTOCOLS`](Self::CLIENT_PROTOCOLS). The default `native` uses the best protocol of each node.
    pub fn client_protocol(mut self, protocol: &str) -> Result<Self> {
        self.only = WireProtocol::of_name(protocol)?;
        Ok(self)
    }

    /// Compresses requests of gRPC and Connect: `gzip`, `zstd` if it is built in, or
    /// `identity`, the default. Servers choose the compression of responses.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub fn compression(mut self, name: &str) -> Result<Self> {
        self.compression = Encoding::named(name)?;
        Ok(self)
    }

    /// Allows pages of these origins, separated by commas, or of all by `*`, to call the port.
    /// By default, pages of the port's own origin may call, and others are refused.
    ///
    /// # Errors
    /// `InvalidArgument` for a text that is not an origin, such as `https://shop.example`.
    #[cfg(feature = "http")]
    pub fn cors_origins(mut self, origins: &str) -> Result<Self> {
        self.origins = Some(Origins::parse(origins)?);
        Ok(self)
    }

    /// Adds a protocol to the port. Nodes list its name under `protocols`; clients need a transport that
    /// speaks it.
    ///
    /// The built-in protocols see the first bytes of a connection first. The new one gets the connections
    /// that it recognises by fewer bytes than they need. A protocol whose [examples](Protocol::examples) another protocol of
    /// the port would get, or the other way round, is an error of `listen` that names both.
    pub fn protocol(mut self, protocol: impl Protocol) -> Self {
        self.protocols.push(Arc::new(protocol));
        self
    }

    /// Names the calling service, which the services called see.
    pub fn caller(mut self, service: &str) -> Self {
        self.caller = service.into();
        self
    }

    /// Distributes connections over these runtimes.
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
                // A client set to it still uses the form of before 2019 for such nodes.
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
