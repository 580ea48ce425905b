//! The calls in progress of a listener that is called by functions: their number, and how to end them.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    task::AbortHandle,
};

use super::flow;
use crate::{
    call::{Answer, Call},
    error::{Error, Outcome, Result},
    message::{Request, Response},
    net::{Limits, Listener},
    time::Nanos,
};

/// Serves the calls of a listener, and counts them: what a transport without a [port](crate::net::Port) needs to drain
/// and to close.
///
/// It refuses calls over [`Limits::max_concurrent_calls`] and after [`leave`](Self::leave), and checks the size of answers.
pub struct CallTracker {
    pub(crate) call: Arc<dyn Call>,
    pub(crate) limits: Arc<Limits>,
    state: Mutex<State>,
    /// Notified when a call has ended.
    quieter: Notify,
}

#[derive(Default)]
struct State {
    /// Whether no more calls are accepted.
    left: bool,
    next: u64,
    /// The tasks of the calls in progress; `None` until a task is known.
    at_work: HashMap<u64, Option<AbortHandle>>,
}

impl CallTracker {
    /// Creates a tracker of the calls that `call` answers.
    pub fn new(call: Arc<dyn Call>, limits: impl Into<Arc<Limits>>) -> Arc<Self> {
        Arc::new(CallTracker {
            call,
            limits: limits.into(),
            state: Mutex::default(),
            quieter: Notify::new(),
        })
    }

    /// Whether calls are accepted.
    pub fn is_open(&self) -> bool {
        !self.state.lock().left
    }

    /// Accepts no more calls; those in progress continue.
    pub fn leave(&self) {
        self.state.lock().left = true;
    }

    /// Counts a call, unless no more are accepted or the limit is reached.
    pub(super) fn place(self: &Arc<Self>) -> Result<CallGuard> {
        let mut state = self.state.lock();
        if state.left {
            return Err(Error::unavailable("the node is going away").with_outcome(Outcome::NotSent));
        }
        if state.at_work.len() >= self.limits.max_concurrent_calls {
            return Err(Error::resource_exhausted(format!(
                "{} calls are at work there, which is the limit",
                self.limits.max_concurrent_calls
            ))
            .with_outcome(Outcome::Rejected));
        }
        state.next += 1;
        let id = state.next;
        state.at_work.insert(id, None);
        Ok(CallGuard {
            served: self.clone(),
            id,
        })
    }

    /// Cancels every call in progress.
    pub fn end(&self) {
        for task in self.state.lock().at_work.values().flatten() {
            task.abort();
        }
    }

    /// Waits until no call is in progress.
    pub async fn quiet(&self) {
        loop {
            let quieter = self.quieter.notified();
            if self.state.lock().at_work.is_empty() {
                return;
            }
            quieter.await;
        }
    }

    /// Answers a request in a task of its own, which ends when the answer, or its stream, is
    /// dropped. Must be called within a runtime.
    pub async fn answer(self: &Arc<Self>, request: Request) -> Result<Response> {
        let place = self.place()?;
        let deadline = request.context().deadline();
        let (sender, receiver) = oneshot::channel();
        let id = place.id();
        let pump = AbortOnDrop::default();
        let rest = self.call.call(request);
        let task = tokio::spawn(work(
            rest,
            sender,
            self.limits.max_message_size,
            deadline,
            place,
            pump,
        ));
        let mut guard = AbortOnDrop(Some(task.abort_handle()));
        self.worked_by(id, task.abort_handle());
        let answer = receiver.await.unwrap_or_else(|_| Err(flow::broken_off()));
        // The call may continue as a stream, which ends it when dropped.
        guard.0 = None;
        answer
    }

    /// Creates a listener at `address` whose calls this tracker counts. `on_leave` runs when it stops accepting calls.
    pub fn listener(
        self: &Arc<Self>,
        address: impl Into<String>,
        on_leave: impl Fn() + Send + Sync + 'static,
    ) -> Box<dyn Listener> {
        Box::new(TrackedListener {
            tracker: self.clone(),
            address: address.into(),
            on_leave: Box::new(on_leave),
        })
    }

    /// Records the task of a call, so that it can be cancelled.
    pub(super) fn worked_by(&self, place: u64, task: AbortHandle) {
        // Without an entry, the call has ended already.
        if let Some(at_work) = self.state.lock().at_work.get_mut(&place) {
            *at_work = Some(task);
        }
    }
}

/// The count of a call, until dropped.
pub(super) struct CallGuard {
    served: Arc<CallTracker>,
    id: u64,
}

impl CallGuard {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.served.state.lock().at_work.remove(&self.id);
        self.served.quieter.notify_waiters();
    }
}

/// A listener whose calls a tracker counts.
struct TrackedListener {
    tracker: Arc<CallTracker>,
    address: String,
    on_leave: Box<dyn Fn() + Send + Sync>,
}

impl TrackedListener {
    fn leave(&self) {
        self.tracker.leave();
        (self.on_leave)();
    }
}

#[async_trait]
impl Listener for TrackedListener {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn go_away(&self) {
        self.leave();
    }

    async fn drained(&self) {
        self.tracker.quiet().await;
    }

    async fn close(&self) {
        self.leave();
        self.tracker.end();
        self.tracker.quiet().await;
    }
}

impl Drop for TrackedListener {
    fn drop(&mut self) {
        self.leave();
        self.tracker.end();
    }
}

/// The server's side of a pending call: the answer, and its stream if it has one.
pub(super) async fn work(
    answer: Answer,
    sender: oneshot::Sender<Result<Response>>,
    limit: usize,
    deadline: Nanos,
    _place: CallGuard,
    _pump: AbortOnDrop,
) {
    let mut answer = whole(answer.await, limit);
    let Ok(response) = &mut answer else {
        // A caller that is gone cancels this task anyway.
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
pub(super) fn whole(answer: Result<Response>, limit: usize) -> Result<Response> {
    let response = answer?;
    match response.body().as_bytes() {
        Some(body) if body.len() > limit => Err(Error::resource_exhausted(format!(
            "the answer of {} bytes is over the caller's limit of {limit}; send it as a stream",
            body.len()
        ))),
        _ => Ok(response),
    }
}

/// Cancels a task when dropped.
#[derive(Default)]
pub(super) struct AbortOnDrop(pub(super) Option<AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
