//! The calls at work on a server's connection, and the queue they and the connection's task share.

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

/// What the connection's task and its calls' tasks share.
pub(super) struct ConnectionState {
    pub(super) state: Mutex<State>,
    /// Bytes queued before streams and calls wait.
    queue: u64,
    /// Whether more is queued, for who does not hold the lock.
    pub(super) full: AtomicBool,
}

/// What is behind its lock.
pub(super) struct State {
    pub(super) queue: Queue,
    /// Calls that did not end at their first poll, and streams.
    pub(super) running: BTreeMap<u64, ActiveCall>,
    pub(super) driver: Option<Waker>,
    pub(super) asleep: bool,
    gone: bool,
    /// Streams and calls that wait for room in the queue.
    pub(super) waiting: Vec<Waker>,
    /// How often those that waited were woken.
    woken: u64,
}

impl State {
    /// Those that wait for room, to be woken.
    pub(super) fn take_waiting(&mut self) -> Vec<Waker> {
        self.woken += 1;
        std::mem::take(&mut self.waiting)
    }
}

/// One call at work.
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

    /// Ready unless more is queued than may be: whoever does not read answers gets no more of them made. `waits` is what a
    /// call remembers of its place among those that wait.
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

    /// Ends every call with the connection: nobody can hear their answers.
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
    /// Notes whether more is queued than may be.
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

    /// Nothing to say: a handler may leave the rest of a stream unread and answer all the same.
    fn give_up(&self, _: u64) {}
}

/// Wakes the connection's task if it sleeps, after the lock is free.
fn wake_driver(mut state: MutexGuard<'_, State>) {
    let driver = state.asleep.then(|| state.driver.clone()).flatten();
    state.asleep = false;
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}

impl ActiveCall {
    /// Breaks the work off; what it left to others to read ends as well.
    pub(super) fn stop(&self, why: &'static str) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.close(why);
    }

    /// Ends what comes from the caller.
    pub(super) fn close(&self, why: &'static str) {
        if let Some(inbox) = &self.inbox {
            inbox.end(Err(Error::cancelled(why).with_outcome(Outcome::Unknown)));
        }
    }
}
