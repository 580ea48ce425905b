//! The state shared by an entry and its task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Shared, disk::SavedNodes};
use crate::{
    error::Error,
    node::Node,
    random::Rng,
    selector::{Fleet, Set, VersionWeights},
    time::{self, NEVER, Nanos},
};

/// The shortest time between warnings about one service.
const WARNING: Nanos = 60_000_000_000;

/// The shortest time between requests to the registry caused by a wrong record.
const ASKING: Nanos = 1_000_000_000;

/// The state of one service.
pub(super) struct Inner<P: Clone> {
    pub(super) shared: Arc<Shared<P>>,
    pub(super) service: String,
    set: ArcSwap<Set<P>>,
    /// Version weights set in this process. Locked while the set is replaced.
    weights: Mutex<VersionWeights>,
    known: Mutex<DiscoveryState>,
    /// Notified of each change of `known`; wakes waiters in their order, unlike a `watch` channel.
    told: Notify,
    /// Since when the set may be out of date; [`NEVER`] while it is up to date.
    stale_since: AtomicU64,
    /// How much older it is: the age of a set read from disk.
    older_by: AtomicU64,
    warned: AtomicU64,
    /// Whether there ever was a node.
    had_nodes: AtomicBool,
    /// Notified when the registry must be asked again, and the time of the last such request.
    pub(super) asked: Notify,
    asked_at: AtomicU64,
}

/// What is known about the service.
#[derive(Clone, Debug)]
pub(super) enum DiscoveryState {
    Nothing,
    /// Nodes from disk; the registry may still respond.
    Kept,
    Nodes,
    Failure(Error),
}

impl<P: Clone> Inner<P> {
    /// Without nodes, and with nothing known.
    pub(super) fn new(service: &str, shared: Arc<Shared<P>>) -> Self {
        let now = time::now();
        let fleet = Arc::new(Fleet::new(Rng::seeded(shared.rng.number())));
        Inner {
            shared,
            service: service.to_owned(),
            set: ArcSwap::from_pointee(Set::empty(&fleet, now)),
            weights: Mutex::default(),
            known: Mutex::new(DiscoveryState::Nothing),
            told: Notify::new(),
            stale_since: AtomicU64::new(now),
            older_by: AtomicU64::new(0),
            warned: AtomicU64::new(0),
            had_nodes: AtomicBool::new(false),
            asked: Notify::new(),
            asked_at: AtomicU64::new(0),
        }
    }

    /// Returns the present set.
    pub(super) fn load(&self) -> Guard<Arc<Set<P>>> {
        self.set.load()
    }

    /// Waits until something is known, and returns it.
    pub(super) async fn something(&self) -> DiscoveryState {
        self.known(|known| !matches!(known, DiscoveryState::Nothing))
            .await
    }

    /// Waits until the registry has responded or is lost, and returns what is known.
    pub(super) async fn settled(&self) -> DiscoveryState {
        self.known(|known| !matches!(known, DiscoveryState::Nothing | DiscoveryState::Kept))
            .await
    }

    async fn known(&self, enough: impl Fn(&DiscoveryState) -> bool) -> DiscoveryState {
        loop {
            let told = self.told.notified();
            let known = self.known.lock().clone();
            if enough(&known) {
                return known;
            }
            told.await;
        }
    }

    /// Waits until a node with this id is in the set.
    pub(super) async fn see(&self, id: &str) {
        loop {
            let told = self.told.notified();
            let set = Guard::into_inner(self.load());
            let mut members = set.snapshot().members().iter();
            if members.any(|member| member.node.id == id) {
                return;
            }
            told.await;
        }
    }

    /// For how long the set may have been out of date: zero while the registry responds.
    pub(super) fn age(&self) -> Duration {
        match self.stale_since.load(Ordering::Relaxed) {
            NEVER => Duration::ZERO,
            since => {
                let older_by = self.older_by.load(Ordering::Relaxed);
                let age = time::now().saturating_sub(since).saturating_add(older_by);
                Duration::from_nanos(age)
            }
        }
    }

    /// Makes the task ask the registry again, unless it did so a moment ago.
    pub(super) fn ask_again(&self, now: Nanos) {
        let last = self.asked_at.load(Ordering::Relaxed);
        if last == 0 || now.saturating_sub(last) >= ASKING {
            self.asked_at.store(now.max(1), Ordering::Relaxed);
            self.asked.notify_one();
        }
    }

    fn tell(&self, known: DiscoveryState) {
        *self.known.lock() = known;
        self.told.notify_waiters();
    }

    /// Applies a set from the registry.
    pub(super) fn replace(&self, nodes: Vec<Arc<Node>>) {
        self.put(nodes);
        self.stale_since.store(NEVER, Ordering::Relaxed);
        self.older_by.store(0, Ordering::Relaxed);
        self.tell(DiscoveryState::Nodes);
    }

    /// Applies a set from disk, unless something newer is known.
    pub(super) fn restore(&self, saved: SavedNodes) {
        if !self.is_empty() || matches!(*self.known.lock(), DiscoveryState::Nodes) {
            return;
        }
        self.put(saved.nodes.into_iter().map(Arc::new).collect());
        self.stale_since.store(time::now(), Ordering::Relaxed);
        self.older_by
            .store(time::nanos(saved.age), Ordering::Relaxed);
        self.tell(DiscoveryState::Kept);
        self.warn(&format_args!(
            "using nodes kept on disk {:?} ago",
            saved.age
        ));
    }

    /// Records that the registry is lost, which changes nothing in a set with nodes.
    pub(super) fn fail(&self, since: Nanos, error: Error) {
        if self.stale_since.load(Ordering::Relaxed) == NEVER {
            self.stale_since.store(since, Ordering::Relaxed);
        }
        self.warn(&error);
        if self.is_empty() {
            self.tell(DiscoveryState::Failure(error));
        } else {
            // The set from disk is the best there is.
            self.tell(DiscoveryState::Nodes);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.load().snapshot().is_empty()
    }

    /// The records of the present set.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let set = self.set.load();
        let members = set.snapshot().members();
        members.iter().map(|member| member.node.clone()).collect()
    }

    /// Whether there ever was a node.
    pub(super) fn had_nodes(&self) -> bool {
        self.had_nodes.load(Ordering::Relaxed)
    }

    fn put(&self, nodes: Vec<Arc<Node>>) {
        if !nodes.is_empty() {
            self.had_nodes.store(true, Ordering::Relaxed);
        }
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

    /// Sets the version weights of this process.
    pub(super) fn set_weights(&self, weights: VersionWeights) {
        *self.weights.lock() = weights;
        self.reweigh();
    }

    /// Applies the present version weights.
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
