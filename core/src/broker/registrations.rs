//! The subscriptions of a process in the registry: registered, renewed, and removed when they end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    error::{Error, Result},
    node::Node,
    random::Rng,
    registry::{Registry, Renewal},
};

/// The registrations, and the task that renews them; one task, so that a renewal cannot overtake the
/// removal of a registration.
pub(super) struct Registrations {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    renewal: Renewal,
    nodes: Mutex<BTreeMap<String, Entry>>,
    /// Why a subscription could not be registered; it will be retried soon.
    late: Mutex<Option<Error>>,
    /// Notified when a subscription is to be removed, or is overdue.
    unwanted: Notify,
    /// Notified when removed subscriptions have left the registry.
    gone: Notify,
}

struct Entry {
    node: Node,
    wanted: bool,
}

/// A registered subscription; removed when it is dropped or ended.
pub(super) struct RegisteredSubscription {
    shared: Arc<Shared>,
    id: String,
}

impl Registrations {
    /// Renews every `interval`, or each third of `ttl` if that leaves no second try.
    pub(super) fn start(
        registry: Arc<dyn Registry>,
        ttl: Duration,
        interval: Duration,
        rng: Rng,
    ) -> Self {
        let shared = Arc::new(Shared {
            renewal: Renewal::new(registry, ttl, interval, rng),
            nodes: Mutex::default(),
            late: Mutex::default(),
            unwanted: Notify::new(),
            gone: Notify::new(),
        });
        let task = tokio::spawn(run(shared.clone()));
        Registrations { shared, task }
    }

    /// Registers a subscription; with a remote registry that is unreachable, when it is back.
    pub(super) async fn add(&self, node: Node) -> Result<RegisteredSubscription> {
        let entry = Entry {
            node: node.clone(),
            wanted: true,
        };
        let id = node.id.clone();
        self.shared.nodes.lock().insert(id.clone(), entry);
        let shared = self.shared.clone();
        // Removes it again if registering fails or is cancelled half way.
        let registered = RegisteredSubscription { shared, id };
        if let Some(error) = self.shared.renewal.begin(&node).await? {
            *self.shared.late.lock() = Some(error);
            self.shared.unwanted.notify_one();
        }
        Ok(registered)
    }
}

impl Drop for Registrations {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RegisteredSubscription {
    /// Removes the subscription, and waits until this is done.
    pub(super) async fn end(self) {
        self.shared.unwant(&self.id);
        loop {
            let gone = self.shared.gone.notified();
            if !self.shared.nodes.lock().contains_key(&self.id) {
                return;
            }
            gone.await;
        }
    }
}

impl Drop for RegisteredSubscription {
    fn drop(&mut self) {
        self.shared.unwant(&self.id);
    }
}

impl Shared {
    fn unwant(&self, id: &str) {
        if let Some(entry) = self.nodes.lock().get_mut(id) {
            entry.wanted = false;
            self.unwanted.notify_one();
        }
    }

    fn select(&self, wanted: bool) -> Vec<Node> {
        let nodes = self.nodes.lock();
        let entries = nodes.values().filter(|entry| entry.wanted == wanted);
        entries.map(|entry| entry.node.clone()).collect()
    }

    async fn deregister(&self) {
        for node in self.select(false) {
            if let Err(error) = self.renewal.registry().deregister(&node).await {
                tracing::warn!(%error, "could not deregister a subscription; it will expire");
            }
            self.nodes.lock().remove(&node.id);
            self.gone.notify_waiters();
        }
    }

    async fn renew(&self) -> Result<()> {
        let mut renewed = Ok(());
        for node in self.select(true) {
            let one = self.renewal.renew(&node).await;
            renewed = renewed.and(one);
        }
        renewed
    }
}

async fn run(shared: Arc<Shared>) {
    let mut failing = false;
    let due_after = |failure: Option<&Error>| Instant::now() + shared.renewal.wait(failure);
    let mut next = due_after(None);
    loop {
        let due = timeout_at(next, shared.unwanted.notified()).await.is_err();
        if due {
            let renewed = shared.renew().await;
            failing = renewed.is_err();
            next = due_after(renewed.err().as_ref());
        }
        let late = shared.late.lock().take();
        if late.is_some() && !failing {
            failing = true;
            next = due_after(late.as_ref());
        }
        shared.deregister().await;
    }
}
