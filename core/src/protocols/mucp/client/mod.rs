//! A way to a node that speaks go-micro's protocol.

mod connection;
mod frames;
mod head;
mod pool;
mod stream;
mod unary;

use std::sync::{Arc, atomic::AtomicU64};

use crate::{
    call::Answer,
    error::Result,
    message::{Expected, Request},
    net::{Limits, io::SharedNetwork, per_worker::PerWorker, pool::Pool, sent::SentFlag},
    node::Node as Record,
    protocols::addressing::Addressing,
    transport::{
        Connection, Peer, Probe,
        adapter::{Adapter, SendOne},
        addressee::Addressee,
    },
};
pub(crate) use pool::{ConnectionPool, Exchange};

/// A [`Peer`] with a connection pool. Each call and each stream has a connection to itself, because go-micro servers
/// lose calls that share one.
pub(crate) struct Node {
    info: Arc<NodeInfo>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    open: PerWorker<Arc<Adapter<Sender>>>,
}

/// Data about a node that its calls share.
struct NodeInfo {
    address: Arc<str>,
    addressing: Addressing,
    /// Whether the node uses the envelopes from before 2019.
    old: bool,
    /// The number of calls so far.
    count: AtomicU64,
    limits: Arc<Limits>,
}

/// Sends requests over connections of one runtime.
struct Sender {
    connections: Arc<ConnectionPool>,
    info: Arc<NodeInfo>,
}

impl Node {
    /// Creates a peer; `old` selects the envelopes from before 2019.
    pub(crate) fn new(
        node: &Record,
        addressee: Addressee,
        old: bool,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Self {
        Node {
            info: Arc::new(NodeInfo {
                address: node.address.as_str().into(),
                addressing: Addressing::new(addressee, &node.address, network.is_secure()),
                old,
                count: AtomicU64::new(0),
                limits: limits.clone(),
            }),
            network,
            limits,
            pool,
            open: PerWorker::new(),
        }
    }

    fn current(&self) -> Result<Arc<Adapter<Sender>>> {
        let info = &self.info;
        self.open.get_or_open(
            &info.address,
            |adapter| Some(adapter.clone()),
            || {
                let (network, limits) = (self.network.clone(), self.limits.clone());
                let adapter = Arc::new(Adapter::new(Sender {
                    connections: ConnectionPool::new(
                        &info.address,
                        network,
                        limits,
                        self.pool.clone(),
                    ),
                    info: info.clone(),
                }));
                Ok((adapter.clone(), adapter))
            },
        )
    }
}

impl Peer for Node {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        Ok(self.current()?)
    }

    /// Connects, because no request is answered by every version of go-micro, and checks the identity of a Micro node.
    fn probe(&self) -> Probe {
        let (current, info) = (self.current(), self.info.clone());
        Box::pin(async move {
            let connections = current?.sender().connections.clone();
            let connection = connections.connect().await?;
            let connection = connections.ask(connection, &info.addressing).await?;
            connections.give_back(connection);
            Ok(())
        })
    }

    fn close(&self) {
        self.open
            .close(|adapter| adapter.sender().connections.close());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

impl SendOne for Sender {
    fn send(&self, request: Request, _attempts: u8, sent: SentFlag) -> Answer {
        let (connections, info) = (self.connections.clone(), self.info.clone());
        let streams = request.body().is_stream() || request.expected() == Expected::Stream;
        match streams {
            false => Box::pin(unary::call(connections, info, request, sent)),
            true => Box::pin(stream::call(connections, info, request, sent)),
        }
    }
}
