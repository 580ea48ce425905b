//! Removes the state of services and addresses that were not used for some minutes, and at once that of services without
//! nodes: names may come from callers.

use std::{
    hash::BuildHasher,
    sync::{Arc, Weak},
    time::Duration,
};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{Inner, service_state::ServiceState};
use crate::selector::Names;

/// The time between sweeps. State that no call has used between two sweeps is removed, after three to six minutes.
const INTERVAL: Duration = Duration::from_secs(180);

/// Services without nodes that may be kept until the next sweep, besides those in use.
const MAX_EMPTY: usize = 64;

/// Names of services without nodes that are remembered, as hashes.
const MAX_MISSED: usize = 256;

/// The task that sweeps, while there is something to sweep.
pub(super) struct Sweeper {
    inner: Weak<Inner>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Services without nodes that were called lately: a second call justifies a watch of the registry.
    missed: Mutex<[u64; MAX_MISSED]>,
    hasher: RandomState,
}

impl Sweeper {
    pub(super) fn new(inner: Weak<Inner>) -> Self {
        Sweeper {
            inner,
            task: Mutex::default(),
            missed: Mutex::new([0; MAX_MISSED]),
            hasher: RandomState::default(),
        }
    }

    /// Whether a service without nodes was called before, as far as is remembered.
    fn missed_before(&self, service: &str) -> bool {
        let hash = self.hasher.hash_one(service).max(1);
        let mut missed = self.missed.lock();
        let place = hash as usize % MAX_MISSED;
        std::mem::replace(&mut missed[place], hash) == hash
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

async fn run(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        inner.sweep(ServiceState::was_used);
        inner.direct.sweep();
        #[cfg(feature = "http")]
        inner.group.sweep();
        let mut task = inner.sweeper.task.lock();
        if inner.is_empty() {
            *task = None;
            return;
        }
    }
}

impl Inner {
    /// Starts the task if it does not run.
    pub(super) fn keep_swept(&self) {
        if self.service_states.load().len() > MAX_EMPTY {
            let empty = self.service_states.load();
            // Services that were only called by address have no watch, and stay until the next sweep.
            let is_empty = |service_state: &ServiceState| {
                let entry = service_state.entry();
                entry.is_some_and(|entry| entry.load().snapshot().is_empty())
            };
            if empty
                .values()
                .filter(|service_state| is_empty(service_state))
                .count()
                > MAX_EMPTY
            {
                self.sweep(|service_state| !is_empty(service_state));
            }
        }
        let mut task = self.sweeper.task.lock();
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(run(self.sweeper.inner.clone())));
        }
    }

    /// Forgets a service that never had a node, unless it is called repeatedly: then its watch is kept, so that not every
    /// call begins one.
    pub(super) fn forget(&self, service_state: &Arc<ServiceState>) {
        // The map and the caller have one each.
        if service_state.entry().is_some_and(|entry| entry.had_nodes())
            || !service_state.is_unheld(2)
            || self.sweeper.missed_before(service_state.service())
        {
            return;
        }
        self.remove(std::slice::from_ref(service_state));
        let mut task = self.sweeper.task.lock();
        if self.is_empty()
            && let Some(task) = task.take()
        {
            task.abort();
        }
    }

    /// Forgets the services that nobody holds, except those for which `keep` returns `true`.
    fn sweep(&self, keep: impl Fn(&ServiceState) -> bool) {
        let service_states = self.service_states.load_full();
        // Each is asked, since that starts its next interval.
        let unused = service_states
            .values()
            .filter(|service_state| !keep(service_state));
        let mut unused: Vec<_> = unused.cloned().collect();
        self.endpoints
            .sweep(|name| service_states.get(name), &unused);
        // The map and this loop have one each.
        unused.retain(|service_state| service_state.is_unheld(2));
        drop(service_states);
        if !unused.is_empty() {
            self.remove(&unused);
        }
    }

    fn remove(&self, unused: &[Arc<ServiceState>]) {
        self.service_states.rcu(|service_states| {
            let mut service_states = Names::clone(service_states);
            for service_state in unused {
                let service = service_state.service();
                if service_states
                    .get(service)
                    .is_some_and(|kept| Arc::ptr_eq(kept, service_state))
                {
                    service_states.remove(service);
                }
            }
            service_states
        });
        let watched = unused
            .iter()
            .filter(|service_state| service_state.entry().is_some());
        self.cache
            .forget(watched.map(|service_state| service_state.service()));
    }

    fn is_empty(&self) -> bool {
        #[cfg(feature = "http")]
        if !self.group.is_empty() {
            return false;
        }
        self.service_states.load().is_empty() && self.direct.is_empty()
    }
}
