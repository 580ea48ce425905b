//! A listener's calls at work: how many, and how to end them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    call::Call,
    error::{Error, Outcome, Result},
    net::Limits,
};

/// What listens at one address.
pub(super) struct Served {
    pub(super) call: Arc<dyn Call>,
    pub(super) limits: Arc<Limits>,
    state: Mutex<State>,
    /// Told when a call has ended.
    quieter: Notify,
}

#[derive(Default)]
struct State {
    /// Whether it takes no more calls.
    left: bool,
    next: u64,
    /// The tasks of the calls at work; `None` until a task is known.
    at_work: HashMap<u64, Option<AbortHandle>>,
}

impl Served {
    pub(super) fn new(call: Arc<dyn Call>, limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Served {
            call,
            limits,
            state: Mutex::default(),
            quieter: Notify::new(),
        })
    }

    /// Whether it takes calls.
    pub(super) fn is_open(&self) -> bool {
        !self.state.lock().left
    }

    /// Takes no more calls; those at work go on.
    pub(super) fn leave(&self) {
        self.state.lock().left = true;
    }

    /// A place for a call, unless it takes no more or as many are at work as may be.
    pub(super) fn place(self: &Arc<Self>) -> Result<Place> {
        let mut state = self.state.lock();
        if state.left {
            return Err(Error::unavailable("the node is going away").with_outcome(Outcome::NotSent));
        }
        if state.at_work.len() >= self.limits.calls {
            return Err(Error::resource_exhausted(format!(
                "{} calls are at work there, which is the limit",
                self.limits.calls
            ))
            .with_outcome(Outcome::Rejected));
        }
        state.next += 1;
        let id = state.next;
        state.at_work.insert(id, None);
        Ok(Place {
            served: self.clone(),
            id,
        })
    }

    /// Breaks off every call at work.
    pub(super) fn end(&self) {
        for task in self.state.lock().at_work.values().flatten() {
            task.abort();
        }
    }

    /// Waits until no call is at work.
    pub(super) async fn quiet(&self) {
        loop {
            let quieter = self.quieter.notified();
            if self.state.lock().at_work.is_empty() {
                return;
            }
            quieter.await;
        }
    }

    /// Notes the task of a call, so that it can be broken off.
    pub(super) fn worked_by(&self, place: u64, task: AbortHandle) {
        // Without an entry it has ended already.
        if let Some(at_work) = self.state.lock().at_work.get_mut(&place) {
            *at_work = Some(task);
        }
    }
}

/// A call's place among those at work, until it is dropped.
pub(super) struct Place {
    served: Arc<Served>,
    id: u64,
}

impl Place {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.served.state.lock().at_work.remove(&self.id);
        self.served.quieter.notify_waiters();
    }
}
