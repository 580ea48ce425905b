//! A way to a node that speaks go-micro's protocol.

mod connection;
mod frames;
mod head;
mod lane;
mod stream;
mod unary;

use std::sync::{Arc, atomic::AtomicU64};

use parking_lot::Mutex;

use crate::{
    call::Answer,
    error::{Error, Outcome, Result},
    message::{Expected, Request},
    net::{Limits, io::SharedNetwork, pool::Pool, sent::Sent},
    node::Node as Record,
    protocols::addressing::Addressing,
    transport::{
        Connection, Peer, Probe,
        adapter::{Adapter, SendOne},
        addressee::Addressee,
    },
    worker,
};
pub(crate) use lane::{Exchange, Lane};

/// A way to one node: as many connections as there are calls under way, kept for the next ones. A call has a
/// connection to itself, as go-micro's servers lose calls that share one, and so has a stream.
pub(crate) struct Node {
    about: Arc<About>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    open: Mutex<Open>,
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

#[derive(Default)]
struct Open {
    /// By the number of the calling thread's runtime.
    of_worker: Vec<Option<Arc<Adapter<Sender>>>>,
    closed: bool,
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
            open: Mutex::default(),
        }
    }

    fn current(&self) -> Result<Arc<Adapter<Sender>>> {
        let worker = worker::current();
        let mut open = self.open.lock();
        if let Some(Some(adapter)) = open.of_worker.get(worker) {
            return Ok(adapter.clone());
        }
        if open.closed {
            let address = &self.about.address;
            return Err(Error::unavailable(format!("node at `{address}` has left"))
                .with_outcome(Outcome::NotSent));
        }
        let sender = Sender {
            lane: Lane::new(
                &self.about.address,
                self.network.clone(),
                self.limits.clone(),
                self.pool.clone(),
            ),
            about: self.about.clone(),
        };
        let adapter = Arc::new(Adapter::new(sender));
        if open.of_worker.len() <= worker {
            open.of_worker.resize_with(worker + 1, || None);
        }
        open.of_worker[worker] = Some(adapter.clone());
        Ok(adapter)
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
        let mut open = self.open.lock();
        open.closed = true;
        for adapter in open.of_worker.drain(..).flatten() {
            adapter.sender().lane.close();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

impl SendOne for Sender {
    fn send(&self, request: Request, _attempts: u8, sent: Sent) -> Answer {
        let (lane, about) = (self.lane.clone(), self.about.clone());
        let streams = request.body().is_stream() || request.expected() == Expected::Stream;
        match streams {
            false => Box::pin(unary::call(lane, about, request, sent)),
            true => Box::pin(stream::call(lane, about, request, sent)),
        }
    }
}
