//! The contract suite of protocols on the port, which each implementation runs in its tests. Needs the feature
//! `test-util`.
//!
//! `make` creates the protocol. `call` is a client of it: it connects to an address, calls an endpoint with a body,
//! and returns the body of the response, or an error. Panics with the broken rule.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::Socket;
use crate::{
    call::{Answer, Call},
    error::{Error, Result},
    message::{ContentType, Request, Response, Target},
    net::{
        Listener, Port,
        protocol::{Detect, Protocol},
    },
    node::Node,
    transport::{Attempt, Transport, send},
};

/// The timeout of events that must happen, on a busy machine.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the suite waits for events that must not happen.
const NO_EVENT_TIMEOUT: Duration = Duration::from_millis(100);

/// Checks every rule.
pub async fn all<P: Protocol>(
    make: impl Fn() -> P,
    call: impl AsyncFn(String, String, Bytes) -> Result<Bytes>,
) {
    its_examples_are_known_byte_by_byte(&make());
    calls_are_answered_on_a_port_of_every_protocol(make(), &call).await;
    going_away_lets_a_call_end(make(), &call).await;
    closing_breaks_calls_off(make(), &call).await;
}

fn its_examples_are_known_byte_by_byte(protocol: &dyn Protocol) {
    assert!(!protocol.name().is_empty(), "it has a name");
    let examples = protocol.examples();
    assert!(!examples.is_empty(), "it gives examples of its first bytes");
    for example in examples {
        let text = example.escape_ascii();
        let mut known = false;
        for length in 1..=example.len().min(64) {
            let told = protocol.detect(&example[..length]);
            assert_ne!(told, Detect::No, "the first {length} bytes of `{text}`");
            assert!(
                told == Detect::Yes || !known,
                "sure once, sure always: `{text}`"
            );
            known = told == Detect::Yes;
        }
        assert!(known, "all of `{text}` is enough to be sure");
    }
}

/// Answers `Contract.Echo`, fails `Contract.Fail`; `Contract.Wait` starts and waits to be released.
struct ContractService {
    begun: mpsc::Sender<()>,
    go_on: Arc<Notify>,
}

/// What a waiting call reports, and what releases it.
struct PendingCall {
    begun: mpsc::Receiver<()>,
    go_on: Arc<Notify>,
}

impl Call for ContractService {
    fn call(&self, mut request: Request) -> Answer {
        let (begun, go_on) = (self.begun.clone(), self.go_on.clone());
        Box::pin(async move {
            match request.endpoint() {
                "Contract.Echo" => {}
                "Contract.Wait" => {
                    let _ = begun.send(()).await;
                    go_on.notified().await;
                }
                endpoint => return Err(Error::not_found(format!("there is no `{endpoint}`"))),
            }
            Ok(Response::new(ContentType::Bytes, request.body_mut().take()))
        })
    }
}

fn service() -> (Arc<dyn Call>, PendingCall) {
    let (sender, begun) = mpsc::channel(1);
    let go_on = Arc::new(Notify::new());
    let service = ContractService {
        begun: sender,
        go_on: go_on.clone(),
    };
    (Arc::new(service), PendingCall { begun, go_on })
}

async fn calls_are_answered_on_a_port_of_every_protocol<P: Protocol>(
    protocol: P,
    call: &impl AsyncFn(String, String, Bytes) -> Result<Bytes>,
) {
    let socket = Socket::new().protocol(protocol);
    let listening = socket.listen("127.0.0.1:0", service().0).await;
    let listener = listening.unwrap_or_else(|error| panic!("beside the others: {error}"));
    for body in ["", "1", "\"a longer body\""] {
        let answer = called(&*listener, "Contract.Echo", body, call).await;
        assert_eq!(
            answer.unwrap_or_else(|error| panic!("an answer: {error}")),
            body
        );
    }
    let answer = called(&*listener, "Contract.Missing", "1", call).await;
    assert!(answer.is_err(), "an error arrives as one: {answer:?}");
    let node = Node::new("contract", "contract-1", listener.address())
        .with_metadata("protocols", socket.protocols().join(","));
    let native = async {
        let target = Target::new("contract", "Contract.Echo");
        let mut request = Request::new(target, ContentType::Bytes, Bytes::from("native"));
        let peer = socket.open(&node)?;
        send(peer.connection()?, &mut request, Attempt::new()).await
    };
    let answer = within_timeout(native)
        .await
        .map(|answer| answer.into_parts().1);
    let answer = answer.unwrap_or_else(|error| panic!("the native protocol goes on: {error}"));
    assert_eq!(
        answer.as_bytes().map(|body| &body[..]),
        Some(&b"native"[..])
    );
    within_timeout(listener.close()).await;
}

async fn going_away_lets_a_call_end<P: Protocol>(
    protocol: P,
    call: &impl AsyncFn(String, String, Bytes) -> Result<Bytes>,
) {
    let (service, mut waiting) = service();
    let listener = alone(protocol, service).await;
    let leaving = async {
        within_timeout(waiting.begun.recv()).await;
        listener.go_away().await;
        let early = timeout(NO_EVENT_TIMEOUT, listener.drained()).await;
        assert!(early.is_err(), "drained although a call is at work");
        waiting.go_on.notify_one();
        within_timeout(listener.drained()).await;
    };
    let (answer, ()) = tokio::join!(called(&*listener, "Contract.Wait", "1", call), leaving);
    assert_eq!(
        answer.unwrap_or_else(|error| panic!("an answer: {error}")),
        "1"
    );
    within_timeout(listener.close()).await;
}

async fn closing_breaks_calls_off<P: Protocol>(
    protocol: P,
    call: &impl AsyncFn(String, String, Bytes) -> Result<Bytes>,
) {
    let (service, mut waiting) = service();
    let listener = alone(protocol, service).await;
    let closing = async {
        within_timeout(waiting.begun.recv()).await;
        within_timeout(listener.close()).await;
    };
    let (answer, ()) = tokio::join!(called(&*listener, "Contract.Wait", "1", call), closing);
    assert!(answer.is_err(), "the connection was closed: {answer:?}");
}

/// A port that speaks nothing else.
async fn alone<P: Protocol>(protocol: P, service: Arc<dyn Call>) -> Box<dyn Listener> {
    let listening = Port::new()
        .protocol(protocol)
        .listen("127.0.0.1:0", service);
    let listener = listening.await;
    listener.unwrap_or_else(|error| panic!("cannot listen: {error}"))
}

async fn called(
    listener: &dyn Listener,
    endpoint: &str,
    body: &str,
    call: &impl AsyncFn(String, String, Bytes) -> Result<Bytes>,
) -> Result<Bytes> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    within_timeout(call(listener.address(), endpoint.to_owned(), body)).await
}

/// Waits for an event that must happen, for a time that only a hang exceeds.
async fn within_timeout<T>(work: impl Future<Output = T>) -> T {
    let done = timeout(EVENT_TIMEOUT, work).await;
    done.unwrap_or_else(|_| panic!("it did not happen within {EVENT_TIMEOUT:?}"))
}
