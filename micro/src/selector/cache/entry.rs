//! One service in the cache.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Ends, Shared, disk::Saved, task};
use crate::{
    error::{Error, Outcome, Result},
    registry::Node,
    selector::{Filter, Fleet, Rng, Set, VersionWeights},
    time::{self, NEVER, Nanos},
};

/// Warnings about one service: one a minute.
const WARNING: Nanos = 60_000_000_000;

/// The nodes of one service, kept up to date by a task that ends with the entry.
pub struct Entry<P: Clone> {
    inner: Arc<Inner<P>>,
    _task: Ends,
}

/// What an entry and its task share.
pub(super) struct Inner<P: Clone> {
    pub(super) shared: Arc<Shared<P>>,
    pub(super) service: String,
    set: ArcSwap<Set<P>>,
    /// Version weights set in this process. Held while the set is replaced.
    weights: Mutex<VersionWeights>,
    known: Mutex<Known>,
    /// Told of each change of `known`; wakes those who wait in their order, as a `watch` does not.
    told: Notify,
    /// Since when the set may be out of date; [`NEVER`] while it is up to date.
    stale_since: AtomicU64,
    /// How much older than that it is: the age of a set read from disk.
    older_by: AtomicU64,
    warned: AtomicU64,
}

/// What the registry has said of the service.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Nothing,
    Nodes,
    Failure(Error),
}

impl<P: Clone + Send + Sync + 'static> Entry<P> {
    pub(super) fn start(service: &str, shared: Arc<Shared<P>>) -> Self {
        let now = time::now();
        let fleet = Arc::new(Fleet::new(Rng::seeded(shared.rng.number())));
        let inner = Arc::new(Inner {
            shared,
            service: service.to_owned(),
            set: ArcSwap::from_pointee(Set::empty(&fleet, now)),
            weights: Mutex::default(),
            known: Mutex::new(Known::Nothing),
            told: Notify::new(),
            stale_since: AtomicU64::new(now),
            older_by: AtomicU64::new(0),
            warned: AtomicU64::new(0),
        });
        let task = Ends(tokio::spawn(task::run(inner.clone())));
        Entry { inner, _task: task }
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// The set as it is now: no lock, no allocation. Not to be held over an await.
    pub fn load(&self) -> Guard<Arc<Set<P>>> {
        self.inner.set.load()
    }

    /// The nodes of the set as it is now that a filter keeps; see [`Set::filtered`].
    pub fn filtered(&self, filter: &dyn Filter) -> Arc<Set<P>> {
        self.inner.set.load().filtered(filter)
    }

    /// Waits for the first set, until a time of this crate's clock in nanoseconds; at once when there is one.
    ///
    /// # Errors
    /// All with [`Outcome::NotSent`]: [`Code::NotFound`](crate::Code::NotFound) when the service has
    /// no nodes, [`Code::Unavailable`](crate::Code::Unavailable) when the registry cannot be reached
    /// and no set was kept on disk.
    pub async fn ready(&self, deadline: u64) -> Result<()> {
        if !self.load().snapshot().is_empty() {
            return Ok(());
        }
        let known = tokio::time::timeout_at(time::instant(deadline), self.inner.something()).await;
        let known = known.unwrap_or(Known::Nothing);
        if !self.load().snapshot().is_empty() {
            return Ok(());
        }
        let service = self.service();
        let registry = self.inner.shared.registry.name();
        let error = match known {
            Known::Nodes => Error::not_found(format!(
                "no service `{service}` in registry `{registry}`; start it or check the name"
            )),
            Known::Failure(cause) => Error::unavailable(format!(
                "registry `{registry}` cannot be reached to find service `{service}`"
            ))
            .with_source(cause),
            Known::Nothing => Error::unavailable(format!(
                "registry `{registry}` did not say in time where service `{service}` is"
            )),
        };
        Err(error.with_outcome(Outcome::NotSent))
    }

    /// Waits until a node of this id is in the set.
    pub(crate) async fn see(&self, id: &str) {
        let mut known = self.inner.known.subscribe();
        let is_there = || {
            let set = self.load();
            set.snapshot().members().iter().any(|m| m.node.id == id)
        };
        while !is_there() && known.changed().await.is_ok() {}
    }

    /// For how long the set may have been out of date: zero while the registry is heard.
    pub fn age(&self) -> Duration {
        match self.inner.stale_since.load(Ordering::Relaxed) {
            NEVER => Duration::ZERO,
            since => {
                let older_by = self.inner.older_by.load(Ordering::Relaxed);
                let age = time::now().saturating_sub(since).saturating_add(older_by);
                Duration::from_nanos(age)
            }
        }
    }

    /// Sets shares of traffic by version while running; an empty map takes them back.
    ///
    /// Weights in the registry, which an operator puts there, win over these.
    pub fn set_weights(&self, weights: VersionWeights) {
        *self.inner.weights.lock() = weights;
        self.inner.reweigh();
    }
}

impl<P: Clone> Inner<P> {
    /// What is known, once anything is.
    async fn something(&self) -> Known {
        loop {
            let told = self.told.notified();
            let known = self.known.lock().clone();
            if !matches!(known, Known::Nothing) {
                return known;
            }
            told.await;
        }
    }

    fn tell(&self, known: Known) {
        *self.known.lock() = known;
        self.told.notify_waiters();
    }

    /// Takes the registry's word for the nodes there are.
    pub(super) fn replace(&self, nodes: Vec<Node>) {
        self.put(nodes);
        self.stale_since.store(NEVER, Ordering::Relaxed);
        self.older_by.store(0, Ordering::Relaxed);
        self.tell(Known::Nodes);
    }

    /// Takes what was kept on disk, unless something newer is known.
    pub(super) fn restore(&self, saved: Saved) {
        if !self.is_empty() || matches!(*self.known.lock(), Known::Nodes) {
            return;
        }
        self.put(saved.nodes);
        self.stale_since.store(time::now(), Ordering::Relaxed);
        self.older_by
            .store(time::nanos(saved.age), Ordering::Relaxed);
        self.tell(Known::Nodes);
        self.warn(&format_args!(
            "using nodes kept on disk {:?} ago",
            saved.age
        ));
    }

    /// Notes that the registry is not heard, which changes nothing in a set that has nodes.
    pub(super) fn fail(&self, since: Nanos, error: Error) {
        if self.stale_since.load(Ordering::Relaxed) == NEVER {
            self.stale_since.store(since, Ordering::Relaxed);
        }
        self.warn(&error);
        if self.is_empty() {
            self.tell(Known::Failure(error));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.load().snapshot().is_empty()
    }

    /// The records of the set as it is now.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let set = self.set.load();
        let members = set.snapshot().members();
        members.iter().map(|member| member.node.clone()).collect()
    }

    fn put(&self, nodes: Vec<Node>) {
        let replacing = self.weights.lock();
        let next = self.set.load().next(nodes, time::now(), &self.shared.fill);
        self.set.store(Arc::new(next.set));
        drop(replacing);
        for (node, error) in next.refused {
            self.warn(&format_args!("node `{}` is left out: {error}", node.id));
        }
        for slot in next.retired {
            (self.shared.retire)(slot);
        }
    }

    /// Applies the version weights as they are now.
    pub(super) fn reweigh(&self) {
        let own = self.weights.lock();
        let all = self.shared.weights.borrow().clone();
        let weights = all.as_ref().and_then(|all| all.get(&self.service));
        let weights = weights.unwrap_or(&own).clone();
        let set = self.set.load().weighed(Arc::new(weights), time::now());
        self.set.store(Arc::new(set));
    }

    pub(super) fn warn(&self, what: &dyn std::fmt::Display) {
        let now = time::now();
        let last = self.warned.load(Ordering::Relaxed);
        if last == 0 || now.saturating_sub(last) >= WARNING {
            self.warned.store(now, Ordering::Relaxed);
            tracing::warn!(
                service = self.service,
                registry = self.shared.registry.name(),
                "discovery: {what}"
            );
        }
    }
}

impl<P: Clone> Drop for Inner<P> {
    fn drop(&mut self) {
        let set = self.set.load();
        for slot in set.slots() {
            (self.shared.retire)(slot.clone());
        }
    }
}
