//! Ways to a node and ways to be reached: the [`Transport`] and [`Peer`] traits.

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

/// A way to send requests to nodes and to receive them.
///
/// Every implementation passes the same suite, `transport::contract` of the feature `test-util`. A transport of async
/// functions is quickest made by [`adapter`].
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The name it is chosen by, such as `native`.
    fn name(&self) -> &str;

    /// What it speaks with whoever calls here, such as `native/1`: a service's record lists it under
    /// `protocols`. Its name alone unless it says otherwise.
    fn protocols(&self) -> Vec<String> {
        vec![self.name().to_owned()]
    }

    /// Where to listen when nothing is said.
    fn default_address(&self) -> &str {
        "127.0.0.1:0"
    }

    /// What nodes that listen by it say of themselves in their record's metadata.
    fn metadata(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// A way to a node; connects no sooner than the first request needs it.
    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>>;

    /// Serves requests at an address until the listener is closed or dropped.
    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>>;
}

/// A way to one node: not a socket, but what opens and reuses them.
pub trait Peer: Send + Sync + 'static {
    /// The connection of the calling thread, opened if need be. Must be called within a runtime.
    fn connection(&self) -> Result<Arc<dyn Connection>>;

    /// Asks the node for a sign of life, without a request; done before a node that failed is
    /// trusted again. Waits for as long as the connection lasts, so that a node that hung is known
    /// to be back as soon as it is.
    fn probe(&self) -> Probe;

    /// Opens nothing more; connections close as their calls end.
    fn close(&self);
}

/// A boxed future of a sign of life.
pub type Probe = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Carries calls to one node.
///
/// Poll-shaped, so that an attempt behind `dyn` allocates nothing; [`send`] makes a future of it.
pub trait Connection: Send + Sync + 'static {
    /// Queues a request, leaving a whole body in place and taking a streaming one out; what it
    /// gives names the call, and `cx` is woken when there is an answer. `Pending` while too much is
    /// queued already.
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>>;

    /// The answer to a started call, which ends it.
    fn answer(&self, call: u64, cx: &mut Context<'_>) -> Poll<Result<Response>>;

    /// Gives a started call up, and tells the node.
    fn cancel(&self, call: u64);
}

/// Sends one request and waits for its answer; dropping it cancels the call at the node.
#[must_use = "futures do nothing unless polled"]
pub struct SendFuture<'a> {
    connection: Arc<dyn Connection>,
    request: &'a mut Request,
    attempt: Attempt,
    call: Option<u64>,
}

/// A future of one attempt, which lends the request so that the next attempt can send it again.
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
                // `start` keeps the waker: asking at once would only take the lock again.
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
