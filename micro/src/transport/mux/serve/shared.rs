//! The calls at work on a server's connection, and the queue they and the connection's task share.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

use crate::{
    error::{Error, Outcome},
    transport::mux::{
        queue::Queue,
        stream::{Credit, Inbox, Outlet},
    },
};

/// What the connection's task and its calls' tasks share.
pub(super) struct Served {
    pub(super) state: Mutex<State>,
    /// Bytes queued before streams wait.
    queue: u64,
}

/// What is behind its lock.
pub(super) struct State {
    pub(super) queue: Queue,
    /// Calls that did not end at their first poll, and streams.
    pub(super) running: BTreeMap<u64, Running>,
    pub(super) driver: Option<Waker>,
    pub(super) asleep: bool,
    gone: bool,
    /// Streams that wait for room in the queue.
    pub(super) waiting: Vec<Waker>,
}

/// One call at work.
#[derive(Default)]
pub(super) struct Running {
    pub(super) task: Option<AbortHandle>,
    pub(super) inbox: Option<Arc<Inbox>>,
    pub(super) credit: Option<Arc<Credit>>,
}

impl Served {
    pub(super) fn new(queue: u64) -> Arc<Self> {
        Arc::new(Served {
            state: Mutex::new(State {
                queue: Queue::default(),
                running: BTreeMap::new(),
                driver: None,
                asleep: false,
                gone: false,
                waiting: Vec::new(),
            }),
            queue,
        })
    }

    /// Ends every call with the connection: nobody can hear their answers.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.gone = true;
        state.queue = Queue::default();
        let waiting = std::mem::take(&mut state.waiting);
        let running = std::mem::take(&mut state.running);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        for running in running.into_values() {
            running.stop("the connection ended");
        }
    }
}

impl Outlet for Served {
    fn write(&self, write: &mut dyn FnMut(&mut Queue)) {
        let mut state = self.state.lock();
        if !state.gone {
            write(&mut state.queue);
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

impl Running {
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
