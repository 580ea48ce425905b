//! The contract suite of transports, which each implementation runs in its tests. Needs the feature `test-util`.
//!
//! ```no_run
//! use std::sync::Arc;
//! use micro::transport::{Memory, Transport, contract};
//!
//! # #[tokio::main]
//! # async fn main() {
//! contract::all(async |limits| {
//!     let transport = Memory::new().limits(limits);
//!     (Arc::new(transport) as Arc<dyn Transport>, "memory:".to_owned())
//! })
//! .await;
//! # }
//! ```
//!
//! `make` returns an unused transport with these limits, and an address to listen on.
//! Panics with the broken rule.

mod ending;
mod limits;
mod streams;
mod unary;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{Attempt, Peer, Transport, send};
use crate::{
    call::{Answer, Call},
    context::Context,
    error::Result,
    message::{Body, BodyStream, ContentType, Request, Response, Target},
    net::{Limits, Listener},
    node::Node,
    time::{self, NEVER},
};

/// The timeout of events that must happen, on a busy machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A transport to test, and an address for it.
pub type Subject = (Arc<dyn Transport>, String);

/// Checks every rule.
pub async fn all(make: impl AsyncFn(Limits) -> Subject) {
    let usual = async || make(Limits::default()).await;
    unary::a_request_and_its_answer_arrive_whole(usual().await).await;
    unary::an_error_arrives_with_all_it_says(usual().await).await;
    unary::answers_find_their_calls(usual().await).await;
    unary::time_and_attempts_left_arrive(usual().await).await;
    streams::a_server_streams(usual().await).await;
    streams::a_client_streams(usual().await).await;
    streams::both_stream_one_for_one(usual().await).await;
    streams::a_stream_may_end_with_an_error(usual().await).await;
    streams::a_reader_that_rests_holds_the_writer_up(usual().await).await;
    ending::the_deadline_ends_a_call_and_its_handler(usual().await).await;
    ending::only_a_repeatable_attempt_times_out(usual().await).await;
    ending::dropping_a_call_cancels_its_handler(usual().await).await;
    ending::the_deadline_ends_a_stream_on_both_sides(usual().await).await;
    ending::an_attempt_s_own_deadline_is_for_the_head(usual().await).await;
    ending::a_head_that_does_not_come_is_waited_for_to_the_attempt_s_end(usual().await).await;
    ending::dropping_an_answered_stream_cancels_it(usual().await).await;
    ending::going_away_lets_calls_end_and_takes_no_more(usual().await).await;
    ending::closing_breaks_calls_off(usual().await).await;
    ending::where_nobody_listens_nothing_is_sent(usual().await).await;
    limits::a_message_over_the_limit_is_not_sent(make(limits::small()).await).await;
    limits::an_answer_over_the_limit_is_an_error(make(limits::small()).await).await;
    limits::a_streamed_message_over_the_limit_is_an_error(make(limits::small()).await).await;
    limits::a_head_over_the_limit_is_not_sent(make(limits::small()).await).await;
    limits::calls_over_the_limit_are_refused_unharmed(make(limits::small()).await).await;
}

/// An async function as a server.
struct HandlerFn<F>(F);

impl<F, Fut> Call for HandlerFn<F>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn call(&self, request: Request) -> Answer {
        Box::pin((self.0)(request))
    }
}

/// A listener and its peer.
struct Pair {
    transport: Arc<dyn Transport>,
    listener: Box<dyn Listener>,
    peer: Arc<dyn Peer>,
}

impl Pair {
    /// Listens with `handler`, and opens a peer.
    async fn new<F, Fut>((transport, address): Subject, handler: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let listening = transport
            .listen(&address, Arc::new(HandlerFn(handler)))
            .await;
        let listener = listening.unwrap_or_else(|error| panic!("cannot listen: {error}"));
        let node = Node::new("contract", "contract-1", listener.address());
        let peer = transport.open(&node);
        let peer = peer.unwrap_or_else(|error| panic!("cannot open a way: {error}"));
        Pair {
            transport,
            listener,
            peer,
        }
    }

    async fn call(&self, request: Request) -> Result<Response> {
        self.attempt(request, attempt()).await
    }

    async fn attempt(&self, mut request: Request, attempt: Attempt) -> Result<Response> {
        let connection = self.peer.connection()?;
        soon(send(connection, &mut request, attempt)).await
    }

    async fn close(self) {
        soon(self.listener.close()).await;
    }
}

fn attempt() -> Attempt {
    Attempt {
        now: time::now(),
        deadline: NEVER,
        timeout_at: NEVER,
        repeatable: false,
        attempts: 4,
    }
}

fn request(endpoint: &str, body: impl Into<Body>) -> Request {
    let target = Target::new("contract", endpoint);
    Request::new(target, ContentType::Bytes, body).with_context(Context::new())
}

fn response(body: impl Into<Body>) -> Response {
    Response::new(ContentType::Bytes, body)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn text(response: Response) -> Bytes {
    let body = response.into_parts().1;
    body.into_bytes()
        .unwrap_or_else(|error| panic!("a whole answer: {error}"))
}

fn error(answer: Result<Response>) -> crate::error::Error {
    match answer {
        Err(error) => error,
        Ok(response) => panic!("an error, not {response:?}"),
    }
}

/// Waits for an event that must happen, for a time that only a hang exceeds.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| panic!("it did not happen within {TEST_TIMEOUT:?}"))
}

async fn next(stream: &mut BodyStream) -> Option<Result<Bytes>> {
    soon(poll_fn(|cx| stream.as_mut().poll_next(cx))).await
}

/// A stream with a sender, at most `capacity` messages ahead.
fn feed(capacity: usize) -> (mpsc::Sender<Result<Bytes>>, Body) {
    struct ChannelStream(mpsc::Receiver<Result<Bytes>>);
    impl Stream for ChannelStream {
        type Item = Result<Bytes>;
        fn poll_next(
            mut self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            self.0.poll_recv(cx)
        }
    }
    let (sender, receiver) = mpsc::channel(capacity);
    (sender, Body::stream(ChannelStream(receiver)))
}

/// Notifies when it is dropped, as what a handler holds is when the handler is cancelled.
struct Dropped(Option<oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(());
        }
    }
}

/// A handler that begins, reports this and never answers; its requests report when they are cancelled.
struct HangingCalls {
    begun: mpsc::Receiver<oneshot::Receiver<()>>,
}

/// Such a handler, and its reports.
fn hanging_handler() -> (
    HangingCalls,
    impl Fn(Request) -> Answer + Send + Sync + 'static,
) {
    let (tell, begun) = mpsc::channel(16);
    let handler = move |request: Request| -> Answer {
        let (sender, dropped) = oneshot::channel();
        let told = tell.try_send(dropped);
        Box::pin(async move {
            let _held = (request, Dropped(Some(sender)), told);
            std::future::pending().await
        })
    };
    (HangingCalls { begun }, handler)
}

impl HangingCalls {
    /// Waits until a request has begun; the returned future ends when that is cancelled.
    async fn begun(&mut self) -> impl Future<Output = ()> + use<> {
        let dropped = soon(self.begun.recv()).await;
        async move {
            let dropped = dropped.unwrap_or_else(|| panic!("the handler is gone"));
            let _ = soon(dropped).await;
        }
    }
}
