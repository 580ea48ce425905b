//! The [`Transport`] and [`Peer`] traits: how requests are sent to nodes and received.

pub mod adapter;
pub mod addressee;
mod attempt;
#[cfg(feature = "test-util")]
pub mod contract;
mod flow;
mod memory;
pub(crate) mod mux;
mod tracker;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;

use crate::{
    call::Call,
    error::Result,
    message::{Request, Response},
    node::Node,
};

#[cfg(feature = "tls")]
pub use crate::net::Tls;
pub use crate::net::{Counters, Limits, Listener, io, protocol};
pub use attempt::Attempt;
pub use memory::Memory;
pub use tracker::CallTracker;

/// Sends requests to nodes, and receives them.
///
/// Every implementation passes the suite `transport::contract` of the feature `test-util`. The quickest way to a transport
/// is [`adapter`], which makes one of async functions.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The name that settings choose the transport by, such as `native`.
    fn name(&self) -> &str;

    /// The protocol spoken to its listeners, such as `native/1`, which a service's record lists under
    /// `protocols`. By default its name.
    fn protocols(&self) -> Vec<String> {
        vec![self.name().to_owned()]
    }

    /// The address to listen on if none is set.
    fn default_address(&self) -> &str {
        "127.0.0.1:0"
    }

    /// Metadata for the records of nodes that listen by this transport.
    fn metadata(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Returns the peer of a node; it connects when the first request needs it.
    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>>;

    /// Serves requests at an address until the listener is closed or dropped.
    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>>;
}

/// One node: opens connections to it and reuses them.
pub trait Peer: Send + Sync + 'static {
    /// Returns the connection of the calling thread, and opens one if necessary. Must be called within a runtime.
    fn connection(&self) -> Result<Arc<dyn Connection>>;

    /// Asks the node for a sign of life, without a request, before a failed node is
    /// used again. Waits for as long as the connection lasts, so that the return of a hung node is noticed
    /// at once.
    fn probe(&self) -> Probe;

    /// Opens no more connections; those open close as their calls end.
    fn close(&self);
}

/// A boxed future of a sign of life.
pub type Probe = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Carries calls to one node.
///
/// Poll-based, so that an attempt behind `dyn` allocates nothing; [`send`] makes a future of it.
pub trait Connection: Send + Sync + 'static {
    /// Queues a request: a whole body stays in place, a stream is taken out. Returns the number of
    /// the call; `cx` is woken when there is an answer. `Pending` while too much is
    /// queued already.
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>>;

    /// Returns the answer to a started call, and ends the call.
    fn answer(&self, call: u64, cx: &mut Context<'_>) -> Poll<Result<Response>>;

    /// Cancels a started call, and notifies the node.
    fn cancel(&self, call: u64);
}

/// Sends one request and waits for its answer; dropping the future cancels the call at the node.
#[must_use = "futures do nothing unless polled"]
pub struct SendFuture<'a> {
    connection: Arc<dyn Connection>,
    request: &'a mut Request,
    attempt: Attempt,
    call: Option<u64>,
}

/// The future of one attempt, which borrows the request so that the next attempt can send it again.
pub fn send(
    connection: Arc<dyn Connection>,
    request: &mut Request,
    attempt: Attempt,
) -> SendFuture<'_> {
    SendFuture {
        connection,
        request,
        attempt,
        call: None,
    }
}

impl Future for SendFuture<'_> {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.call {
            None => {
                let call = ready!(this.connection.start(this.request, &this.attempt, cx))?;
                this.call = Some(call);
                // `start` keeps the waker: polling again at once would only take the lock again.
                Poll::Pending
            }
            Some(call) => {
                let answer = ready!(this.connection.answer(call, cx));
                this.call = None;
                Poll::Ready(answer)
            }
        }
    }
}

impl Drop for SendFuture<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.connection.cancel(call);
        }
    }
}

impl fmt::Debug for dyn Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}
