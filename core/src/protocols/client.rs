//! A client for one node over HTTP/1.1 or HTTP/2, for protocols that use both.

use std::sync::Arc;

use http::{Request, Response, Uri};

use super::{addressing::Addressing, paths::Paths};
#[cfg(feature = "grpc")]
use crate::http::h2::client::ActiveRequest;
#[cfg(feature = "grpc")]
use crate::http::h2::client::Channel;
#[cfg(feature = "grpc")]
use crate::http::h2::node::Connections;
use crate::{
    error::{Code, Error, Outcome, Result},
    http::{HttpBody, compression::Encoding, h1},
    message,
    net::{Limits, io::SharedNetwork, pool::Pool, sent::SentFlag},
    node::Node,
    transport::{
        Connection, Peer, Probe,
        adapter::{Adapter, SendOne},
        addressee::Addressee,
    },
};

/// The parts of an [`HttpPeer`].
pub(crate) struct PeerOptions<'a> {
    pub(crate) node: &'a Node,
    pub(crate) addressee: Addressee,
    pub(crate) version: Version,
    /// How requests are compressed.
    pub(crate) compression: Option<Encoding>,
    pub(crate) network: SharedNetwork,
    pub(crate) limits: Arc<Limits>,
    pub(crate) pool: Arc<Pool>,
}

/// Data about a node that its connections share.
pub(crate) struct NodeInfo {
    paths: Paths,
    pub(crate) addressing: Arc<Addressing>,
    pub(crate) limits: Arc<Limits>,
    /// How requests are compressed.
    pub(crate) compression: Option<Encoding>,
}

impl PeerOptions<'_> {
    /// Creates a peer; `make` creates the sender for a channel.
    pub(crate) fn connect<S: SendOne>(
        self,
        make: impl Fn(HttpChannel, &Arc<NodeInfo>) -> S + Send + Sync + 'static,
    ) -> HttpPeer<S> {
        let (address, is_secure) = (&self.node.address, self.network.is_secure());
        let addressing = Arc::new(Addressing::new(self.addressee, address, is_secure));
        let info = Arc::new(NodeInfo {
            paths: Paths::new(self.node, is_secure, self.limits.max_endpoint_names),
            addressing: addressing.clone(),
            limits: self.limits.clone(),
            compression: self.compression,
        });
        let make = move |channel| make(channel, &info);
        let (network, limits, pool) = (self.network, self.limits, self.pool);
        HttpPeer::new(
            self.version,
            address,
            addressing,
            network,
            limits,
            pool,
            make,
        )
    }
}

impl NodeInfo {
    /// The URI of a request.
    ///
    /// # Errors
    /// `InvalidArgument` if the metadata is too large, or the endpoint cannot be a URI.
    pub(crate) fn uri(&self, request: &message::Request) -> Result<Uri> {
        let head = request.context().metadata().as_block().len();
        if head > self.limits.max_head_size {
            return Err(Error::invalid_argument(format!(
                "metadata takes {head} bytes, over the limit `max_head_size` of {}",
                self.limits.max_head_size
            )));
        }
        self.paths.uri(request.target())
    }
}

/// Marks the outcome of a call whose response broke off as unknown; a response that is too large was answered.
pub(crate) fn unknown(error: Error) -> Error {
    match error.code() {
        Code::ResourceExhausted => error.with_outcome(Outcome::Answered),
        _ => error.with_outcome(Outcome::Unknown),
    }
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1: one connection for each concurrent request.
    One,
    /// HTTP/2: one connection for each calling thread.
    #[cfg(feature = "grpc")]
    Two,
}

impl Version {
    /// The ALPN name.
    pub(crate) fn alpn(self) -> &'static str {
        match self {
            Version::One => h1::ALPN,
            #[cfg(feature = "grpc")]
            Version::Two => "h2",
        }
    }
}

/// Sends requests to a node over one version of HTTP.
#[derive(Clone)]
pub(crate) enum HttpChannel {
    One(Arc<h1::NodeConnections>),
    #[cfg(feature = "grpc")]
    Two(Arc<Channel>),
}

/// Counts a stream of an HTTP/2 connection as busy until the response is read.
#[derive(Debug)]
pub(crate) enum StreamGuard {
    None,
    #[cfg(feature = "grpc")]
    Stream {
        _busy: ActiveRequest,
    },
}

impl HttpChannel {
    /// Sends a request. Returns when the head of the response has arrived; the body follows.
    pub(crate) async fn exchange(
        &self,
        mut request: Request<HttpBody>,
        sent: SentFlag,
    ) -> Result<(Response<HttpBody>, StreamGuard)> {
        match self {
            HttpChannel::One(node) => {
                *request.version_mut() = http::Version::HTTP_11;
                Ok((node.send(request, &sent).await?, StreamGuard::None))
            }
            #[cfg(feature = "grpc")]
            HttpChannel::Two(channel) => {
                *request.version_mut() = http::Version::HTTP_2;
                let (response, busy) = channel.clone().exchange(request, sent).await?;
                Ok((response, StreamGuard::Stream { _busy: busy }))
            }
        }
    }
}

/// A [`Peer`] over HTTP, with one sender for each connection.
pub(crate) enum HttpPeer<S> {
    One(Arc<h1::NodeConnections>, Arc<Adapter<S>>, Arc<Addressing>),
    #[cfg(feature = "grpc")]
    Two {
        addressing: Arc<Addressing>,
        connections: Connections<(HttpChannel, Arc<Adapter<S>>)>,
        make: Box<dyn Fn(HttpChannel) -> S + Send + Sync>,
    },
}

impl<S: SendOne> HttpPeer<S> {
    /// Creates a peer over a version of HTTP; `make` creates the sender for a channel.
    pub(crate) fn new(
        version: Version,
        address: &str,
        addressing: Arc<Addressing>,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
        make: impl Fn(HttpChannel) -> S + Send + Sync + 'static,
    ) -> Self {
        match version {
            Version::One => {
                let node = h1::NodeConnections::new(address, network, limits, pool);
                let sender = make(HttpChannel::One(node.clone()));
                HttpPeer::One(node, Arc::new(Adapter::new(sender)), addressing)
            }
            #[cfg(feature = "grpc")]
            Version::Two => HttpPeer::Two {
                addressing,
                connections: Connections::new(address, network, limits, pool),
                make: Box::new(make),
            },
        }
    }

    #[cfg(feature = "grpc")]
    fn current(&self) -> Result<Arc<(HttpChannel, Arc<Adapter<S>>)>> {
        let HttpPeer::Two {
            connections, make, ..
        } = self
        else {
            return Err(Error::internal("HTTP/1.1 has no shared connections"));
        };
        connections.current(|channel| {
            let channel = HttpChannel::Two(channel);
            (channel.clone(), Arc::new(Adapter::new(make(channel))))
        })
    }
}

impl<S: SendOne> Peer for HttpPeer<S> {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        match self {
            HttpPeer::One(_, adapter, _) => Ok(adapter.clone()),
            #[cfg(feature = "grpc")]
            HttpPeer::Two { .. } => Ok(self.current()?.1.clone()),
        }
    }

    fn probe(&self) -> Probe {
        match self {
            HttpPeer::One(node, _, addressing) => {
                let (node, addressing) = (node.clone(), addressing.clone());
                Box::pin(async move { addressing.knock(&node).await })
            }
            #[cfg(feature = "grpc")]
            HttpPeer::Two {
                connections,
                addressing,
                ..
            } => {
                let channel = self.current().map(|current| current.0.clone());
                let probe = connections.probe(channel.clone().and_then(|channel| match channel {
                    HttpChannel::Two(channel) => Ok(channel),
                    HttpChannel::One(_) => Err(Error::internal("the connection is not HTTP/2")),
                }));
                let addressing = addressing.clone();
                Box::pin(async move {
                    probe.await?;
                    if addressing.is_some() {
                        let question = addressing.question();
                        let (answer, _guard) =
                            channel?.exchange(question, SentFlag::default()).await?;
                        addressing.read(answer).await?;
                    }
                    Ok(())
                })
            }
        }
    }

    fn close(&self) {
        match self {
            HttpPeer::One(node, ..) => node.close(),
            #[cfg(feature = "grpc")]
            HttpPeer::Two { connections, .. } => connections.close(),
        }
    }
}
