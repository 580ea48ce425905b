//! A way to one node over either version of HTTP, for protocols that are spoken over both.

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

/// What a way to a node is made of.
pub(crate) struct Opening<'a> {
    pub(crate) node: &'a Node,
    pub(crate) addressee: Addressee,
    pub(crate) version: Version,
    /// How requests are compressed.
    pub(crate) compression: Option<Encoding>,
    pub(crate) network: SharedNetwork,
    pub(crate) limits: Arc<Limits>,
    pub(crate) pool: Arc<Pool>,
}

/// What every connection to a node knows of it.
pub(crate) struct About {
    paths: Paths,
    pub(crate) addressing: Arc<Addressing>,
    pub(crate) limits: Arc<Limits>,
    /// How requests are compressed.
    pub(crate) compression: Option<Encoding>,
}

impl Opening<'_> {
    /// A way to the node; `make` makes what sends by a line.
    pub(crate) fn way<S: SendOne>(
        self,
        make: impl Fn(Line, &Arc<About>) -> S + Send + Sync + 'static,
    ) -> Ways<S> {
        let (address, is_secure) = (&self.node.address, self.network.is_secure());
        let addressing = Arc::new(Addressing::new(self.addressee, address, is_secure));
        let about = Arc::new(About {
            paths: Paths::new(self.node, is_secure, self.limits.max_endpoint_names),
            addressing: addressing.clone(),
            limits: self.limits.clone(),
            compression: self.compression,
        });
        let make = move |line| make(line, &about);
        let (network, limits, pool) = (self.network, self.limits, self.pool);
        Ways::new(
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

impl About {
    /// Where a request goes.
    ///
    /// # Errors
    /// `InvalidArgument` for one whose metadata is too large, or whose endpoint HTTP cannot name.
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

/// What goes wrong while an answer comes says nothing of the work, unless that it is too large.
pub(crate) fn unknown(error: Error) -> Error {
    match error.code() {
        Code::ResourceExhausted => error.with_outcome(Outcome::Answered),
        _ => error.with_outcome(Outcome::Unknown),
    }
}

/// Which version is spoken to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1: a connection for each request under way.
    One,
    /// HTTP/2: a connection for each thread that calls.
    #[cfg(feature = "grpc")]
    Two,
}

impl Version {
    /// What is offered in the negotiation of TLS.
    pub(crate) fn alpn(self) -> &'static str {
        match self {
            Version::One => h1::ALPN,
            #[cfg(feature = "grpc")]
            Version::Two => "h2",
        }
    }
}

/// What requests are sent by.
#[derive(Clone)]
pub(crate) enum Line {
    One(Arc<h1::NodeConnections>),
    #[cfg(feature = "grpc")]
    Two(Arc<Channel>),
}

/// Kept until an answer is read.
#[derive(Debug)]
pub(crate) enum Held {
    Nothing,
    #[cfg(feature = "grpc")]
    Stream {
        _busy: ActiveRequest,
    },
}

impl Line {
    /// Sends a request; gives the head of its answer, whose body comes as it comes.
    pub(crate) async fn exchange(
        &self,
        mut request: Request<HttpBody>,
        sent: SentFlag,
    ) -> Result<(Response<HttpBody>, Held)> {
        match self {
            Line::One(node) => {
                *request.version_mut() = http::Version::HTTP_11;
                Ok((node.send(request, &sent).await?, Held::Nothing))
            }
            #[cfg(feature = "grpc")]
            Line::Two(channel) => {
                *request.version_mut() = http::Version::HTTP_2;
                let (response, busy) = channel.clone().exchange(request, sent).await?;
                Ok((response, Held::Stream { _busy: busy }))
            }
        }
    }
}

/// A way to one node, which has a sender for each connection.
pub(crate) enum Ways<S> {
    One(Arc<h1::NodeConnections>, Arc<Adapter<S>>, Arc<Addressing>),
    #[cfg(feature = "grpc")]
    Two {
        addressing: Arc<Addressing>,
        connections: Connections<(Line, Arc<Adapter<S>>)>,
        make: Box<dyn Fn(Line) -> S + Send + Sync>,
    },
}

impl<S: SendOne> Ways<S> {
    /// Ways over a version; `make` makes what sends by a line.
    pub(crate) fn new(
        version: Version,
        address: &str,
        addressing: Arc<Addressing>,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
        make: impl Fn(Line) -> S + Send + Sync + 'static,
    ) -> Self {
        match version {
            Version::One => {
                let node = h1::NodeConnections::new(address, network, limits, pool);
                let sender = make(Line::One(node.clone()));
                Ways::One(node, Arc::new(Adapter::new(sender)), addressing)
            }
            #[cfg(feature = "grpc")]
            Version::Two => Ways::Two {
                addressing,
                connections: Connections::new(address, network, limits, pool),
                make: Box::new(make),
            },
        }
    }

    #[cfg(feature = "grpc")]
    fn current(&self) -> Result<Arc<(Line, Arc<Adapter<S>>)>> {
        let Ways::Two {
            connections, make, ..
        } = self
        else {
            return Err(Error::internal("HTTP/1.1 has no such connections"));
        };
        connections.current(|channel| {
            let line = Line::Two(channel);
            (line.clone(), Arc::new(Adapter::new(make(line))))
        })
    }
}

impl<S: SendOne> Peer for Ways<S> {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        match self {
            Ways::One(_, adapter, _) => Ok(adapter.clone()),
            #[cfg(feature = "grpc")]
            Ways::Two { .. } => Ok(self.current()?.1.clone()),
        }
    }

    fn probe(&self) -> Probe {
        match self {
            Ways::One(node, _, addressing) => {
                let (node, addressing) = (node.clone(), addressing.clone());
                Box::pin(async move { addressing.knock(&node).await })
            }
            #[cfg(feature = "grpc")]
            Ways::Two {
                connections,
                addressing,
                ..
            } => {
                let line = self.current().map(|current| current.0.clone());
                let probe = connections.probe(line.clone().and_then(|line| match line {
                    Line::Two(channel) => Ok(channel),
                    Line::One(_) => Err(Error::internal("this is no HTTP/2")),
                }));
                let addressing = addressing.clone();
                Box::pin(async move {
                    probe.await?;
                    if addressing.is_some() {
                        let question = addressing.question();
                        let (answer, _held) = line?.exchange(question, SentFlag::default()).await?;
                        addressing.read(answer).await?;
                    }
                    Ok(())
                })
            }
        }
    }

    fn close(&self) {
        match self {
            Ways::One(node, ..) => node.close(),
            #[cfg(feature = "grpc")]
            Ways::Two { connections, .. } => connections.close(),
        }
    }
}
