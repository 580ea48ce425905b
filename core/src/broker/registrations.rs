//! The subscriptions of a process in the registry: renewed, and taken out when they end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    error::Result,
    node::Node,
    registry::{Registry, may_pass},
};

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is registered, and the task that keeps it so; one task, so that a renewal cannot pass the
/// end of a registration on its way.
pub(super) struct Registrations {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    registry: Arc<dyn Registry>,
    ttl: Duration,
    nodes: Mutex<BTreeMap<String, Entry>>,
    /// Whether one could not be registered, and is to be soon.
    late: AtomicBool,
    /// Told when one is not wanted any more, or is late.
    unwanted: Notify,
    /// Told when such are out of the registry.
    gone: Notify,
}

struct Entry {
    node: Node,
    wanted: bool,
}

/// A registered subscription; taken out when it is dropped or ended.
pub(super) struct Registered {
    shared: Arc<Shared>,
    id: String,
}

impl Registrations {
    /// Renews every `interval`, or each third of `ttl` where that leaves no second try.
    pub(super) fn start(registry: Arc<dyn Registry>, ttl: Duration, interval: Duration) -> Self {
        let interval = match interval > ttl / 2 {
            true => (ttl / 3).max(Duration::from_millis(1)),
            false => interval,
        };
        let shared = Arc::new(Shared {
            registry,
            ttl,
            nodes: Mutex::default(),
            late: AtomicBool::new(false),
            unwanted: Notify::new(),
            gone: Notify::new(),
        });
        let task = tokio::spawn(run(shared.clone(), interval));
        Registrations { shared, task }
    }

    /// Registers a subscription; with a registry elsewhere that is away, when it is back.
    pub(super) async fn add(&self, node: Node) -> Result<Registered> {
        let entry = Entry {
            node: node.clone(),
            wanted: true,
        };
        let id = node.id.clone();
        self.shared.nodes.lock().insert(id.clone(), entry);
        let shared = self.shared.clone();
        // Takes it out again if registering fails or is given up half way.
        let registered = Registered { shared, id };
        let shared = &self.shared;
        match shared.registry.register(&node, Some(shared.ttl)).await {
            Err(error) if may_pass(&error) && shared.registry.is_remote() => {
                tracing::warn!(%error, id = node.id, "a subscription is not registered yet");
                shared.late.store(true, Ordering::Relaxed);
                shared.unwanted.notify_one();
            }
            registered => registered?,
        }
        Ok(registered)
    }
}

impl Drop for Registrations {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registered {
    /// Takes it out, and waits until it is.
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

impl Drop for Registered {
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
            if let Err(error) = self.registry.deregister(&node).await {
                tracing::warn!(%error, "could not deregister a subscription; it will expire");
            }
            self.nodes.lock().remove(&node.id);
            self.gone.notify_waiters();
        }
    }

    async fn renew(&self) -> Result<()> {
        let mut renewed = Ok(());
        for node in self.select(true) {
            let one = self.registry.register(&node, Some(self.ttl)).await;
            renewed = renewed.and(one);
        }
        renewed
    }
}

async fn run(shared: Arc<Shared>, interval: Duration) {
    let mut failing = false;
    let mut next = Instant::now() + interval;
    loop {
        let due = timeout_at(next, shared.unwanted.notified()).await.is_err();
        if due {
            let renewed = shared.renew().await;
            if let Err(error) = &renewed
                && !failing
            {
                tracing::warn!(%error, "could not renew the registration of subscriptions");
            }
            failing = renewed.is_err();
            next = Instant::now()
                + if failing {
                    interval.min(AGAIN)
                } else {
                    interval
                };
        }
        if shared.late.swap(false, Ordering::Relaxed) && !failing {
            failing = true;
            next = Instant::now() + interval.min(AGAIN);
        }
        shared.deregister().await;
    }
}
