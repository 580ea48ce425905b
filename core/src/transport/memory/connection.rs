//! The calling side: starts a call at the server, waits for its answer, or cancels it.

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

use super::pending_call::PendingCall;
use crate::{
    call::{Answer, Begun},
    error::{Error, Outcome, Result},
    message::{Body, Request, Response},
    net::Limits,
    time::NEVER,
    transport::{
        Attempt, CallTracker, Connection, flow,
        tracker::{AbortOnDrop, whole, work},
    },
};

/// A caller's connection to a listener.
pub(super) struct MemoryConnection {
    served: Arc<CallTracker>,
    /// The largest message and head that both sides take.
    message: usize,
    head: usize,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, PendingCall>>,
}

impl MemoryConnection {
    pub(super) fn new(served: Arc<CallTracker>, limits: &Limits) -> Arc<Self> {
        Arc::new(MemoryConnection {
            message: limits.max_message_size.min(served.limits.max_message_size),
            head: limits.max_head_size.min(served.limits.max_head_size),
            served,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.served.is_open()
    }

    /// Passes the request to the server, and returns what waits for the answer.
    fn begin(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        runtime: &Handle,
    ) -> Result<PendingCall> {
        let place = self.served.place()?;
        let context = request.context().clone().with_attempts(attempt.attempts);
        let stream_deadline = context.deadline();
        let mut waiting = PendingCall::new(attempt, stream_deadline.min(attempt.deadline));
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

impl Connection for MemoryConnection {
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
        if let Err(error) = flow::check_request(request, self.message, self.head) {
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
        let answer = ended.and_then(PendingCall::take);
        Poll::Ready(answer.unwrap_or_else(|| Err(Error::internal("a call was lost"))))
    }

    fn cancel(&self, call: u64) {
        let cancelled = self.waiting.lock().remove(&call);
        // What ends with it may end other calls: not under the lock.
        drop(cancelled);
    }
}
