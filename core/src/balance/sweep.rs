//! What is kept for services and addresses goes when it has not been used for some minutes, and at once for services
//! that do not exist: names may come from callers.

use std::{
    hash::BuildHasher,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{Inner, lane::Lane};
use crate::selector::{Names, Seeded};

/// What no call has used from one sweep to the next goes: so after three to six minutes.
const INTERVAL: Duration = Duration::from_secs(180);

/// Services without nodes that may be kept until the next sweep, besides those in use.
const MOST_EMPTY: usize = 64;

/// Names of services without nodes that are remembered, as hashes.
const MISSED: usize = 256;

/// The task that sweeps, as long as there is something to sweep.
pub(super) struct Sweeper {
    inner: Weak<Inner>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Of services without nodes that were called lately: one that is called again is worth a watch of the registry.
    missed: Mutex<[u64; MISSED]>,
    hasher: Seeded,
}

impl Sweeper {
    pub(super) fn new(inner: Weak<Inner>) -> Self {
        Sweeper {
            inner,
            task: Mutex::default(),
            missed: Mutex::new([0; MISSED]),
            hasher: Seeded::default(),
        }
    }

    /// Whether a service without nodes was called before, as far as is remembered.
    fn missed_before(&self, service: &str) -> bool {
        let hash = self.hasher.hash_one(service).max(1);
        let mut missed = self.missed.lock();
        let place = hash as usize % MISSED;
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
        inner.sweep(Lane::was_used);
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
    /// Sees to it that what was just added is swept some day.
    pub(super) fn keep_swept(&self) {
        if self.lanes.load().len() > MOST_EMPTY {
            let empty = self.lanes.load();
            // Services that only addresses were called of have no watch, and stay for the minutes of all.
            let is_empty = |lane: &Lane| {
                let entry = lane.entry();
                entry.is_some_and(|entry| entry.load().snapshot().is_empty())
            };
            if empty.values().filter(|lane| is_empty(lane)).count() > MOST_EMPTY {
                self.sweep(|lane| !is_empty(lane));
            }
        }
        let mut task = self.sweeper.task.lock();
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(run(self.sweeper.inner.clone())));
        }
    }

    /// Forgets a service that never had a node, unless it is called again and again: then its watch is kept, lest each
    /// call begins one.
    pub(super) fn forget(&self, lane: &Arc<Lane>) {
        // The map's and the caller's.
        if lane.entry().is_some_and(|entry| entry.had_nodes())
            || !lane.is_unheld(2)
            || self.sweeper.missed_before(lane.service())
        {
            return;
        }
        self.remove(std::slice::from_ref(lane));
        let mut task = self.sweeper.task.lock();
        if self.is_empty()
            && let Some(task) = task.take()
        {
            task.abort();
        }
    }

    /// Forgets the services that nobody holds, but for those that `keep` wants.
    fn sweep(&self, keep: impl Fn(&Lane) -> bool) {
        let lanes = self.lanes.load_full();
        // Each is asked, as that begins its next interval.
        let unused = lanes.values().filter(|lane| !keep(lane));
        let mut unused: Vec<_> = unused.cloned().collect();
        self.endpoints.sweep(|name| lanes.get(name), &unused);
        // The map's and the one here.
        unused.retain(|lane| lane.is_unheld(2));
        drop(lanes);
        if !unused.is_empty() {
            self.remove(&unused);
        }
    }

    fn remove(&self, unused: &[Arc<Lane>]) {
        self.lanes.rcu(|lanes| {
            let mut lanes = Names::clone(lanes);
            for lane in unused {
                let service = lane.service();
                if lanes
                    .get(service)
                    .is_some_and(|kept| Arc::ptr_eq(kept, lane))
                {
                    lanes.remove(service);
                }
            }
            lanes
        });
        let watched = unused.iter().filter(|lane| lane.entry().is_some());
        self.cache.forget(watched.map(|lane| lane.service()));
    }

    fn is_empty(&self) -> bool {
        #[cfg(feature = "http")]
        if !self.group.is_empty() {
            return false;
        }
        self.lanes.load().is_empty() && self.direct.is_empty()
    }
}
