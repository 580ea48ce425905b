//! Makes a whole [`Transport`](super::Transport) of async functions: implement [`Exchange`], and wrap it in an
//! [`AsyncTransport`].
//!
//! The adapter keeps one connection to each node, opened by the first call that needs it. It ends calls at their deadline,
//! gives attempts up early, cancels dropped calls, cuts streams off at the deadline, and checks the limits of messages and
//! metadata. A transport that listens on sockets uses a [`Port`](crate::net::Port); one that is called by functions counts its
//! calls by a [`CallTracker`](super::CallTracker), as here:
//!
//! ```
//! use std::{collections::HashMap, sync::{Arc, Mutex}};
//! use async_trait::async_trait;
//! use micro::{
//!     Call, Error, Request, Response, Result,
//!     net::{Limits, Listener},
//!     registry::Node,
//!     transport::{CallTracker, adapter::{AsyncTransport, Exchange, SentFlag}},
//! };
//!
//! /// Calls within this process, by name.
//! #[derive(Clone, Default)]
//! struct InProcess(Arc<Mutex<HashMap<String, Arc<CallTracker>>>>);
//!
//! #[async_trait]
//! impl Exchange for InProcess {
//!     type Connection = Arc<CallTracker>;
//!
//!     fn name(&self) -> &str {
//!         "in-process"
//!     }
//!
//!     async fn dial(&self, node: &Node) -> Result<Arc<CallTracker>> {
//!         let names = self.0.lock().expect("no panic under the lock");
//!         let nobody = || Error::unavailable(format!("nobody listens at `{}`", node.address));
//!         names.get(&node.address).cloned().ok_or_else(nobody)
//!     }
//!
//!     fn is_open(&self, connection: &Arc<CallTracker>) -> bool {
//!         connection.is_open()
//!     }
//!
//!     async fn call(&self, connection: &Arc<CallTracker>, request: Request, sent: &SentFlag) -> Result<Response> {
//!         sent.set();
//!         connection.answer(request).await
//!     }
//!
//!     async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
//!         let tracker = CallTracker::new(call, Limits::default());
//!         self.0.lock().expect("no panic under the lock").insert(address.into(), tracker.clone());
//!         let (names, name) = (self.0.clone(), address.to_owned());
//!         Ok(tracker.listener(address, move || {
//!             names.lock().expect("no panic under the lock").remove(&name);
//!         }))
//!     }
//! }
//!
//! let plugins = micro::Plugins::new().transport(AsyncTransport::new(InProcess::default()));
//! ```

mod exchange;

use std::{
    collections::HashMap,
    future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::{
    call::Answer,
    error::{Code, Error, Outcome, Result},
    message::{Body, BodyStream, Request, Response},
    time::{self, NEVER, Nanos},
    transport::{Attempt, Connection},
};

pub use crate::net::sent::SentFlag;
pub use exchange::{AsyncTransport, Exchange};

/// Sends one request and gives its answer.
pub(crate) trait SendOne: Send + Sync + 'static {
    /// Returns the response to a request; `attempts` are for the call tree below. Sets `sent`
    /// before the first byte leaves that could make the other side begin the work. Dropping the future
    /// cancels the call. The adapter enforces the deadline.
    fn send(&self, request: Request, attempts: u8, sent: SentFlag) -> Answer;
}

/// The least time that an attempt has for being sent, even if its timeout has passed at the beginning: the bytes leave
/// when the connection's task runs.
const MIN_SEND_TIME: Nanos = 5_000_000;

/// A server that cancels a call this shortly before its deadline did so because of it: its clock started when
/// the request arrived, with a time rounded to what the protocol can express.
const DEADLINE_TOLERANCE: Nanos = 20_000_000;

/// The error as the caller sees it: a call that was cancelled at its deadline has exceeded it.
fn at_deadline(error: Error, deadline: Nanos) -> Error {
    if error.code() != Code::Cancelled || time::now().saturating_add(DEADLINE_TOLERANCE) < deadline
    {
        return error;
    }
    let outcome = error.outcome();
    Error::deadline_exceeded("the node gave the call up at its deadline")
        .with_outcome(outcome)
        .with_source(error)
}

/// The calls in progress over one [`SendOne`].
pub(crate) struct Adapter<S> {
    sender: S,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, PendingCall>>,
}

impl<S: SendOne> Adapter<S> {
    pub(crate) fn new(sender: S) -> Self {
        Adapter {
            sender,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    /// What sends.
    #[cfg(feature = "http")]
    pub(crate) fn sender(&self) -> &S {
        &self.sender
    }
}

struct PendingCall {
    answer: Answer,
    sent: SentFlag,
    /// When to check whether the attempt is given up.
    look: Nanos,
    deadline: Nanos,
    /// When a streaming response ends at the latest.
    stream_deadline: Nanos,
    repeatable: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl PendingCall {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response>> {
        if let Poll::Ready(answer) = self.answer.as_mut().poll(cx) {
            let answer = answer.map(|answer| until(self.stream_deadline, answer));
            return Poll::Ready(answer.map_err(|error| at_deadline(error, self.deadline)));
        }
        while self.look != NEVER {
            let look = self.look;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(time::instant(look))));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
            let over = time::now() >= self.deadline;
            let outcome = self.sent.outcome();
            if over {
                let error = Error::deadline_exceeded("no answer before the deadline");
                return Poll::Ready(Err(error.with_outcome(outcome)));
            }
            if outcome == Outcome::NotSent || self.repeatable {
                let error = Error::unavailable("no answer in the time other calls take");
                return Poll::Ready(Err(error.with_outcome(outcome)));
            }
            // The work may have begun and must not be repeated: wait for the response.
            self.look = self.deadline;
        }
        Poll::Pending
    }
}

/// The response, whose stream ends at the deadline if it has one.
fn until(deadline: Nanos, mut answer: Response) -> Response {
    if deadline != NEVER && answer.body().is_stream() {
        let messages = answer.body_mut().take().into_stream();
        *answer.body_mut() = Body::stream(UntilDeadline {
            messages: Some(messages),
            timer: Box::pin(tokio::time::sleep_until(time::instant(deadline))),
            deadline,
        });
    }
    answer
}

/// Messages until a deadline.
struct UntilDeadline {
    messages: Option<BodyStream>,
    timer: Pin<Box<Sleep>>,
    deadline: Nanos,
}

impl Stream for UntilDeadline {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(messages) = &mut self.messages else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(message) = messages.as_mut().poll_next(cx) {
            let deadline = self.deadline;
            let told = |message: Result<Bytes>| message.map_err(|e| at_deadline(e, deadline));
            return Poll::Ready(message.map(told));
        }
        ready!(self.timer.as_mut().poll(cx));
        // Dropped at once, which cancels the call.
        self.messages = None;
        Poll::Ready(Some(Err(Error::deadline_exceeded(
            "the stream was cut off at the deadline",
        )
        .with_outcome(Outcome::Unknown))))
    }
}

/// The request to send. A whole body stays in place, a stream is taken out.
fn lent(request: &mut Request) -> Request {
    request.duplicate().unwrap_or_else(|| {
        let body = request.spend();
        let target = request.target().clone();
        let mut lent = Request::new(target, request.content_type().clone(), body)
            .with_context(request.context().clone())
            .idempotent(request.is_idempotent());
        lent.expect(request.expected());
        lent
    })
}

impl<S: SendOne> Connection for Adapter<S> {
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>> {
        let sent = SentFlag::default();
        let stream_deadline = request.context().deadline();
        let deadline = stream_deadline.min(attempt.deadline);
        let answer = self
            .sender
            .send(lent(request), attempt.attempts, sent.clone());
        let mut waiting = PendingCall {
            answer,
            sent,
            look: attempt
                .timeout_at
                .max(time::now() + MIN_SEND_TIME)
                .min(deadline),
            deadline,
            stream_deadline,
            repeatable: attempt.repeatable,
            timer: None,
        };
        // At once, and not when the answer is polled, which would take one more wake-up.
        if let Poll::Ready(answer) = waiting.poll(cx) {
            waiting.answer = Box::pin(future::ready(answer));
            waiting.stream_deadline = NEVER;
            cx.waker().wake_by_ref();
        }
        let call = self.next.fetch_add(1, Relaxed);
        self.waiting.lock().insert(call, waiting);
        Poll::Ready(Ok(call))
    }

    fn answer(&self, call: u64, cx: &mut Context<'_>) -> Poll<Result<Response>> {
        // Not under the lock: the future may start or end other calls.
        let Some(mut waiting) = self.waiting.lock().remove(&call) else {
            let error = Error::internal("an answer was asked for twice");
            return Poll::Ready(Err(error.with_outcome(Outcome::Unknown)));
        };
        let polled = waiting.poll(cx);
        if polled.is_pending() {
            self.waiting.lock().insert(call, waiting);
        }
        polled
    }

    fn cancel(&self, call: u64) {
        let cancelled = self.waiting.lock().remove(&call);
        drop(cancelled);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        message::{ContentType, Target},
        time::nanos,
        transport::send,
    };

    /// Answers after a while, having sent the request at once or never.
    struct After {
        wait: Duration,
        sends: bool,
    }

    impl SendOne for After {
        fn send(&self, request: Request, _attempts: u8, sent: SentFlag) -> Answer {
            let (wait, sends) = (self.wait, self.sends);
            Box::pin(async move {
                if sends {
                    sent.set();
                }
                tokio::time::sleep(wait).await;
                Ok(Response::new(ContentType::Bytes, request.into_parts().2))
            })
        }
    }

    async fn outcome(wait: u64, sends: bool, repeatable: bool) -> Result<Response> {
        let wait = Duration::from_millis(wait);
        let adapter: Arc<dyn Connection> = Arc::new(Adapter::new(After { wait, sends }));
        let target = Target::new("echo", "Echo.Echo");
        let context = crate::Context::new().with_timeout(Duration::from_millis(100));
        let mut request =
            Request::new(target, ContentType::Bytes, bytes::Bytes::from("x")).with_context(context);
        let attempt = Attempt {
            now: time::now(),
            deadline: NEVER,
            timeout_at: time::now() + nanos(Duration::from_millis(10)),
            repeatable,
            attempts: 1,
        };
        send(adapter, &mut request, attempt).await
    }

    #[tokio::test(start_paused = true)]
    async fn attempt_timeout_ends_what_may_be_repeated() {
        let error = outcome(50, false, false).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent);
        let error = outcome(50, true, true).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown);
        let answer = outcome(50, true, false).await.unwrap();
        assert_eq!(answer.body().as_bytes().unwrap(), "x");
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_ends_every_attempt() {
        let began = tokio::time::Instant::now();
        let error = outcome(5000, true, false).await.unwrap_err();
        assert_eq!(error.code(), crate::error::Code::DeadlineExceeded);
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(began.elapsed() < Duration::from_millis(110));
    }
}
