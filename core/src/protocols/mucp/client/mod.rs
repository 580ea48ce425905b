//! A way to a node that speaks go-micro's protocol.

mod connection;
mod frames;
mod head;
mod lane;
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
pub(crate) use lane::{Exchange, Lane};

/// A way to one node: as many connections as there are calls under way, kept for the next ones. A call has a
/// connection to itself, as go-micro's servers lose calls that share one, and so has a stream.
pub(crate) struct Node {
    about: Arc<About>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    open: PerWorker<Arc<Adapter<Sender>>>,
}

/// What every call to a node knows of it.
struct About {
    address: Arc<str>,
    addressing: Addressing,
    /// Whether it wants the envelopes of before 2019.
    old: bool,
    /// Calls so far.
    count: AtomicU64,
    limits: Arc<Limits>,
}

/// Sends requests over connections of one runtime.
struct Sender {
    lane: Arc<Lane>,
    about: Arc<About>,
}

impl Node {
    /// A way to a node; `old` says that it wants the envelopes of before 2019.
    pub(crate) fn new(
        node: &Record,
        addressee: Addressee,
        old: bool,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Self {
        Node {
            about: Arc::new(About {
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
        let about = &self.about;
        self.open.get_or_open(
            &about.address,
            |adapter| Some(adapter.clone()),
            || {
                let (network, limits) = (self.network.clone(), self.limits.clone());
                let adapter = Arc::new(Adapter::new(Sender {
                    lane: Lane::new(&about.address, network, limits, self.pool.clone()),
                    about: about.clone(),
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

    /// There is nothing to ask with that every version answers, so that being connected is the sign; one of ours
    /// that says who it is must say so.
    fn probe(&self) -> Probe {
        let (current, about) = (self.current(), self.about.clone());
        Box::pin(async move {
            let lane = current?.sender().lane.clone();
            let connection = lane.connect().await?;
            let connection = lane.ask(connection, &about.addressing).await?;
            lane.give_back(connection);
            Ok(())
        })
    }

    fn close(&self) {
        self.open.close(|adapter| adapter.sender().lane.close());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

impl SendOne for Sender {
    fn send(&self, request: Request, _attempts: u8, sent: SentFlag) -> Answer {
        let (lane, about) = (self.lane.clone(), self.about.clone());
        let streams = request.body().is_stream() || request.expected() == Expected::Stream;
        match streams {
            false => Box::pin(unary::call(lane, about, request, sent)),
            true => Box::pin(stream::call(lane, about, request, sent)),
        }
    }
}
