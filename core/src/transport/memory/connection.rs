//! The calling side: starts a call at the server, waits for its answer, breaks it off.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    flow,
    served::{Place, Served},
    waiting::{AbortOnDrop, Waiting},
};
use crate::{
    call::{Answer, Begun},
    error::{Error, Outcome, Result},
    message::{Body, Request, Response},
    net::Limits,
    time::{NEVER, Nanos},
    transport::{Attempt, Connection},
};

/// One caller's line to a listener.
pub(super) struct Line {
    served: Arc<Served>,
    /// The largest message and head that both sides take.
    message: usize,
    head: usize,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

impl Line {
    pub(super) fn new(served: Arc<Served>, limits: &Limits) -> Arc<Self> {
        Arc::new(Line {
            message: limits.message.min(served.limits.message),
            head: limits.head.min(served.limits.head),
            served,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.served.is_open()
    }

    fn check(&self, request: &Request) -> Result<()> {
        if let Some(body) = request.body().as_bytes() {
            flow::check(body.clone(), self.message)?;
        }
        let head = request.context().metadata().as_block().len();
        if head > self.head {
            return Err(Error::invalid_argument(format!(
                "metadata takes {head} bytes, more than the limit of {}",
                self.head
            )));
        }
        Ok(())
    }

    /// Hands the request to the server; what it gives is to wait for.
    fn begin(&self, request: &mut Request, attempt: &Attempt, runtime: &Handle) -> Result<Waiting> {
        let place = self.served.place()?;
        let context = request.context().clone().with_attempts(attempt.attempts);
        let stream_deadline = context.deadline();
        let mut waiting = Waiting::new(attempt, stream_deadline.min(attempt.deadline));
        let mut pump = AbortOnDrop::default();
        let body = match request.body().as_bytes() {
            Some(body) => Body::from(body.clone()),
            None => {
                let (sender, body) = flow::channel();
                let pumping = sender.pump(request.spend().into_stream(), self.message, NEVER);
                pump.0 = Some(runtime.spawn(pumping).abort_handle());
                body
            }
        };
        let content_type = request.content_type().clone();
        let handed =
            Request::new(request.target().clone(), content_type, body).with_context(context);
        let rest: Answer = match self.served.call.begin(handed, attempt.now) {
            Begun::Done(Ok(answer)) if answer.body().is_stream() => Box::pin(async { Ok(answer) }),
            Begun::Done(answer) => {
                waiting.answered(whole(answer, self.message));
                return Ok(waiting);
            }
            Begun::Running(answer) => answer,
        };
        let (sender, receiver) = oneshot::channel();
        let id = place.id();
        let work = work(rest, sender, self.message, stream_deadline, place, pump);
        let task = runtime.spawn(work).abort_handle();
        self.served.worked_by(id, task.clone());
        waiting.worked_by(task, receiver);
        Ok(waiting)
    }
}

/// The server's side of a call that did not end at once: the answer, and its stream if it has one.
async fn work(
    answer: Answer,
    sender: oneshot::Sender<Result<Response>>,
    limit: usize,
    deadline: Nanos,
    _place: Place,
    _pump: AbortOnDrop,
) {
    let mut answer = whole(answer.await, limit);
    let Ok(response) = &mut answer else {
        // A caller that has gone breaks this task off anyway.
        let _ = sender.send(answer);
        return;
    };
    if !response.body().is_stream() {
        let _ = sender.send(answer);
        return;
    }
    let messages = response.body_mut().take().into_stream();
    let (stream, body) = flow::channel();
    *response.body_mut() = body;
    if sender.send(answer).is_ok() {
        stream.pump(messages, limit, deadline).await;
    }
}

/// The answer, unless it is one message over the limit.
fn whole(answer: Result<Response>, limit: usize) -> Result<Response> {
    let response = answer?;
    match response.body().as_bytes() {
        Some(body) if body.len() > limit => Err(Error::resource_exhausted(format!(
            "the answer of {} bytes is over the caller's limit of {limit}; send it as a stream",
            body.len()
        ))),
        _ => Ok(response),
    }
}

impl Connection for Line {
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>> {
        let not_sent = |error: Error| Poll::Ready(Err(error.with_outcome(Outcome::NotSent)));
        let Ok(runtime) = Handle::try_current() else {
            return not_sent(Error::failed_precondition(
                "calls must be made within a tokio runtime",
            ));
        };
        if let Err(error) = self.check(request) {
            return not_sent(error);
        }
        let mut waiting = match self.begin(request, attempt, &runtime) {
            Ok(waiting) => waiting,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if waiting.poll(cx) {
            // The caller asks for the answer when it is woken.
            cx.waker().wake_by_ref();
        }
        let id = self.next.fetch_add(1, Relaxed);
        self.waiting.lock().insert(id, waiting);
        Poll::Ready(Ok(id))
    }

    fn answer(&self, call: u64, cx: &mut Context<'_>) -> Poll<Result<Response>> {
        let mut all = self.waiting.lock();
        let Some(waiting) = all.get_mut(&call) else {
            let error = Error::internal("an answer was asked for twice");
            return Poll::Ready(Err(error.with_outcome(Outcome::Unknown)));
        };
        if !waiting.poll(cx) {
            return Poll::Pending;
        }
        let ended = all.remove(&call);
        drop(all);
        let answer = ended.and_then(Waiting::take);
        Poll::Ready(answer.unwrap_or_else(|| Err(Error::internal("a call was lost"))))
    }

    fn cancel(&self, call: u64) {
        let cancelled = self.waiting.lock().remove(&call);
        // What ends with it may end other calls: not under the lock.
        drop(cancelled);
    }
}
