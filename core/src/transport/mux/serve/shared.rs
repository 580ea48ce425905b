//! The calls in progress of a connection at the server, and the queue they share with the connection's task.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

use crate::{
    error::{Error, Outcome},
    net::buffered::ByteReservation,
    transport::mux::{
        queue::Queue,
        stream::{Credit, FrameSink, Inbox},
    },
};

/// Shared by the connection's task and its calls' tasks.
pub(super) struct ConnectionState {
    pub(super) state: Mutex<State>,
    /// Queued bytes, beyond which streams and calls wait.
    queue: u64,
    /// Whether more is queued, readable without the lock.
    pub(super) full: AtomicBool,
}

/// The state behind the lock.
pub(super) struct State {
    pub(super) queue: Queue,
    /// Calls that were pending after their first poll, and streams.
    pub(super) running: BTreeMap<u64, ActiveCall>,
    pub(super) driver: Option<Waker>,
    pub(super) asleep: bool,
    gone: bool,
    /// Streams and calls waiting for space in the queue.
    pub(super) waiting: Vec<Waker>,
    /// How often waiters were woken.
    woken: u64,
}

impl State {
    /// Wakers of those that wait for space.
    pub(super) fn take_waiting(&mut self) -> Vec<Waker> {
        self.woken += 1;
        std::mem::take(&mut self.waiting)
    }
}

/// A call in progress.
#[derive(Default)]
pub(super) struct ActiveCall {
    pub(super) task: Option<AbortHandle>,
    pub(super) inbox: Option<Arc<Inbox>>,
    pub(super) credit: Option<Arc<Credit>>,
    /// Counts the request's body.
    pub(super) account: Option<ByteReservation>,
}

impl ConnectionState {
    pub(super) fn new(queue: u64) -> Arc<Self> {
        Arc::new(ConnectionState {
            state: Mutex::new(State {
                queue: Queue::default(),
                running: BTreeMap::new(),
                driver: None,
                asleep: false,
                gone: false,
                waiting: Vec::new(),
                woken: 0,
            }),
            queue,
            full: AtomicBool::new(false),
        })
    }

    /// Ready unless the queue exceeds the limit, so that a client that does not read its answers gets no more of them made.
    /// `waits` is the call's place among the waiters.
    pub(super) fn poll_room(&self, waits: &mut Option<u64>, cx: &Context<'_>) -> Poll<()> {
        if !self.full.load(Relaxed) {
            return Poll::Ready(());
        }
        let mut state = self.state.lock();
        if state.gone || state.queue.length() <= self.queue {
            self.full.store(false, Relaxed);
            return Poll::Ready(());
        }
        if *waits != Some(state.woken) {
            *waits = Some(state.woken);
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Cancels every call when the connection ends: the answers cannot be delivered.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.gone = true;
        state.queue = Queue::default();
        let waiting = state.take_waiting();
        let running = std::mem::take(&mut state.running);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        for running in running.into_values() {
            running.stop("the connection ended");
        }
    }
}

impl ConnectionState {
    /// Updates whether the queue exceeds the limit.
    fn note(&self, state: &State) {
        if state.queue.length() > self.queue {
            self.full.store(true, Relaxed);
        }
    }
}

impl FrameSink for ConnectionState {
    fn write(&self, write: &mut dyn FnMut(&mut Queue)) {
        let mut state = self.state.lock();
        if !state.gone {
            write(&mut state.queue);
            self.note(&state);
            wake_driver(state);
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, write: &mut dyn FnMut(&mut Queue)) -> Poll<()> {
        let mut state = self.state.lock();
        if state.gone {
            return Poll::Ready(());
        }
        if state.queue.length() > self.queue {
            state.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        write(&mut state.queue);
        self.note(&state);
        wake_driver(state);
        Poll::Ready(())
    }

    /// No message: a handler may leave the rest of a stream unread and answer anyway.
    fn give_up(&self, _: u64) {}
}

/// Wakes the connection's task if it sleeps, after the lock is released.
fn wake_driver(mut state: MutexGuard<'_, State>) {
    let driver = state.asleep.then(|| state.driver.clone()).flatten();
    state.asleep = false;
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}

impl ActiveCall {
    /// Cancels the work, and the streams that it passed to others.
    pub(super) fn stop(&self, why: &'static str) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.close(why);
    }

    /// Ends the stream from the caller.
    pub(super) fn close(&self, why: &'static str) {
        if let Some(inbox) = &self.inbox {
            inbox.end(Err(Error::cancelled(why).with_outcome(Outcome::Unknown)));
        }
    }
}
