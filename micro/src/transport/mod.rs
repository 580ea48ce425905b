//! Ways to a node and ways to be reached: the [`Transport`] and [`Peer`] traits.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;

use crate::{
    call::Call,
    error::Result,
    message::{Request, Response},
    time::Nanos,
};

/// A way to send requests to nodes and to receive them.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The name it is chosen by, such as `native`.
    fn name(&self) -> &str;

    /// A way to one address; connects no sooner than the first request needs it.
    fn open(&self, address: &str) -> Result<Arc<dyn Peer>>;

    /// Serves requests at an address until the listener is closed or dropped.
    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>>;
}

/// A way to one node: not a socket, but what opens and reuses them.
///
/// Poll-shaped, so that an attempt behind `dyn` allocates nothing; [`send`] makes a future of it.
pub trait Peer: Send + Sync + 'static {
    /// Queues a request, taking a streaming body out of it and leaving a whole one in place.
    /// `Pending` while the connection has too much queued already.
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Key>>;

    /// The answer to a started request, which frees the key.
    fn answer(&self, key: Key, cx: &mut Context<'_>) -> Poll<Result<Response>>;

    /// Gives a started request up, and tells the node.
    fn cancel(&self, key: Key);

    /// Asks the node for a sign of life, without a request; used before a node that failed is
    /// trusted again.
    fn probe(&self) -> Probe;

    /// Takes no new requests; connections close as theirs are answered.
    fn close(&self);
}

/// A boxed future of a sign of life.
pub type Probe = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A started request, in the terms of the peer that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which of the peer's connections.
    pub connection: u64,
    /// Which call on it; carries a generation, so that a late answer finds no one.
    pub call: u64,
}

/// What is particular to one attempt.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The time now, as the caller read it.
    pub(crate) now: Nanos,
    /// When the attempt is given up if nothing was sent, or if it may be repeated.
    pub(crate) patience: Nanos,
    /// Whether another attempt may be made although this one may have been done.
    pub(crate) repeatable: bool,
    /// Attempts lent to the tree of calls below.
    pub(crate) attempts: u8,
}

/// Sends one request and waits for its answer; dropping the future cancels it at the node.
pub async fn send(peer: &dyn Peer, request: &mut Request, attempt: &Attempt) -> Result<Response> {
    let key = poll_fn(|cx| peer.start(request, attempt, cx)).await?;
    let mut guard = Guard {
        peer,
        key: Some(key),
    };
    let answer = poll_fn(|cx| peer.answer(key, cx)).await;
    guard.key = None;
    answer
}

struct Guard<'a> {
    peer: &'a dyn Peer,
    key: Option<Key>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.peer.cancel(key);
        }
    }
}

/// What a transport listens with.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The address peers reach it by, with the port that was bound.
    fn address(&self) -> String;

    /// Tells every peer to send no more here, and takes no new connections after it.
    async fn go_away(&self);

    /// Waits until nothing is in flight.
    async fn drained(&self);

    /// Cancels what still runs and closes every connection.
    async fn close(&self);
}

impl fmt::Debug for dyn Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}
