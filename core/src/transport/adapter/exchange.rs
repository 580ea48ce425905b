//! The public half: the async functions of a transport, and the transport made of them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::{Adapter, SendOne, SentFlag};
use crate::{
    call::{Answer, Call},
    error::{Error, Outcome, Result},
    message::{Body, BodyStream, Request, Response},
    net::{Limits, Listener},
    node::Node,
    transport::{Connection, Peer, Probe, Transport, flow, tracker::whole},
};

/// The async functions that a transport consists of; [`AsyncTransport`] makes a transport of them.
///
/// See [the module](super) for a whole example.
#[async_trait]
pub trait Exchange: Send + Sync + 'static {
    /// A connection to a node, shared by the calls to it.
    type Connection: Send + Sync + 'static;

    /// The name that settings choose the transport by.
    fn name(&self) -> &str;

    /// Where to listen if the service has no address.
    fn default_address(&self) -> &str {
        "127.0.0.1:0"
    }

    /// Limits of messages, metadata and the time to connect.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Connects to a node. Takes at most [`Limits::connect_timeout`]; a failure counts as *not sent*.
    async fn dial(&self, node: &Node) -> Result<Self::Connection>;

    /// Whether a connection can take another call. The next call dials anew if it cannot.
    fn is_open(&self, _connection: &Self::Connection) -> bool {
        true
    }

    /// Sends one request and returns its answer. Calls `sent.set()` before the first byte leaves that could make the
    /// other side begin the work. Dropping the future must cancel the call at the node.
    ///
    /// The request's context has the metadata, the time left
    /// ([`time_left`](crate::Context::time_left)) and the attempts lent to the handler
    /// ([`attempts_left`](crate::Context::attempts_left)), to be sent along. The adapter ends the call at its deadline.
    async fn call(
        &self,
        connection: &Self::Connection,
        request: Request,
        sent: &SentFlag,
    ) -> Result<Response>;

    /// Serves requests at an address until the listener is closed or dropped.
    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>>;
}

/// A [`Transport`] made of async functions.
#[derive(Debug)]
pub struct AsyncTransport<E>(Arc<E>);

impl<E> Clone for AsyncTransport<E> {
    fn clone(&self) -> Self {
        AsyncTransport(self.0.clone())
    }
}

impl<E: Exchange> AsyncTransport<E> {
    /// Creates a transport of `exchange`.
    pub fn new(exchange: E) -> Self {
        AsyncTransport(Arc::new(exchange))
    }
}

#[async_trait]
impl<E: Exchange> Transport for AsyncTransport<E> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn default_address(&self) -> &str {
        self.0.default_address()
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        let link = Arc::new(Link {
            limits: self.0.limits(),
            exchange: self.0.clone(),
            node: node.clone(),
            current: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        Ok(Arc::new(AsyncPeer(Arc::new(Adapter::new(link)))))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        self.0.listen(address, call).await
    }
}

struct AsyncPeer<E: Exchange>(Arc<Adapter<Arc<Link<E>>>>);

impl<E: Exchange> Peer for AsyncPeer<E> {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        let link = &self.0.sender;
        match link.closed.load(Relaxed) {
            true => Err(not_sent(Error::unavailable(format!(
                "node at `{}` has left",
                link.node.address
            )))),
            false => Ok(self.0.clone()),
        }
    }

    fn probe(&self) -> Probe {
        let link = self.0.sender.clone();
        Box::pin(async move { link.connection().await.map(drop) })
    }

    fn close(&self) {
        let link = &self.0.sender;
        link.closed.store(true, Relaxed);
        // Calls in progress hold the connection themselves.
        link.current.lock().take();
    }
}

/// A connection, or one that is being opened.
type SharedConnection<C> = Arc<OnceCell<Arc<C>>>;

/// Sends requests to one node.
struct Link<E: Exchange> {
    exchange: Arc<E>,
    node: Node,
    limits: Limits,
    current: Mutex<Option<SharedConnection<E::Connection>>>,
    closed: AtomicBool,
}

impl<E: Exchange> Link<E> {
    /// Returns the open connection, or dials.
    async fn connection(&self) -> Result<Arc<E::Connection>> {
        let cell = {
            let mut current = self.current.lock();
            let is_broken = |cell: &SharedConnection<E::Connection>| {
                cell.get().is_some_and(|open| !self.exchange.is_open(open))
            };
            if current.as_ref().is_some_and(is_broken) {
                *current = None;
            }
            current.get_or_insert_default().clone()
        };
        let dial = async {
            let dialled =
                tokio::time::timeout(self.limits.connect_timeout, self.exchange.dial(&self.node));
            match dialled.await {
                Ok(connection) => Ok(Arc::new(connection?)),
                Err(_) => Err(Error::unavailable(format!(
                    "`{}` was not connected within the limit `connect_timeout` of {:?}",
                    self.node.address, self.limits.connect_timeout
                ))),
            }
        };
        cell.get_or_try_init(|| dial)
            .await
            .cloned()
            .map_err(not_sent)
    }
}

fn not_sent(error: Error) -> Error {
    error.with_outcome(Outcome::NotSent)
}

impl<E: Exchange> SendOne for Arc<Link<E>> {
    fn send(&self, mut request: Request, attempts: u8, sent: SentFlag) -> Answer {
        let (message, head) = (self.limits.max_message_size, self.limits.max_head_size);
        if let Err(error) = flow::check_request(&request, message, head) {
            return Box::pin(async { Err(not_sent(error)) });
        }
        let context = request.context().clone().with_attempts(attempts);
        request = request.with_context(context);
        limit_stream(request.body_mut(), message);
        let link = self.clone();
        Box::pin(async move {
            let connection = link.connection().await?;
            let answer = link.exchange.call(&connection, request, &sent).await;
            let mut answer = whole(answer, message)?;
            limit_stream(answer.body_mut(), message);
            Ok(answer)
        })
    }
}

/// Checks each message of a body that streams.
fn limit_stream(body: &mut Body, limit: usize) {
    if body.is_stream() {
        let messages = Some(body.take().into_stream());
        *body = Body::stream(SizeLimited { messages, limit });
    }
}

/// Messages up to the first that exceeds the limit, which is an error.
struct SizeLimited {
    messages: Option<BodyStream>,
    limit: usize,
}

impl Stream for SizeLimited {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let limit = self.limit;
        let Some(messages) = &mut self.messages else {
            return Poll::Ready(None);
        };
        let next = messages.as_mut().poll_next(cx);
        let checked = next.map(|next| next.map(|next| next.and_then(|m| flow::check(m, limit))));
        if matches!(checked, Poll::Ready(None | Some(Err(_)))) {
            self.messages = None;
        }
        checked
    }
}
