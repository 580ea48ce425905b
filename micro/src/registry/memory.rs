//! A registry for the services of one process: tests, simulations and monoliths.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Node, Registry, Updates,
    view::{Set, Teller, View, updates},
};
use crate::error::Result;

/// A registry in this process; its clones are handles on the same one.
///
/// A node registered with a time to live goes when that passes unrenewed, by tokio's clock.
///
/// ```
/// use micro::registry::{Memory, Node, Registry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro::Result<()> {
/// let registry = Memory::new();
/// registry.register(&Node::new("greeter", "greeter-1", "memory:one"), None).await?;
/// assert_eq!(registry.clone().list().await?, ["greeter"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    view: watch::Sender<Arc<View>>,
}

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<String, BTreeMap<String, Record>>,
    /// When which node goes, soonest first.
    expiries: BTreeSet<(Instant, String, String)>,
}

#[derive(Debug)]
struct Record {
    node: Node,
    expires: Option<Instant>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Memory::default()
    }
}

#[async_trait]
impl Registry for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        // A time to live beyond the clock's end never passes.
        let expires = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        self.0.change(|state| state.insert(node, expires));
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.0.change(|state| state.remove(&node.service, &node.id));
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.0.change(|_| None);
        let view = self.0.view.borrow();
        let nodes = view.services.get(service).map(|set| set.nodes.iter());
        let nodes = nodes.into_iter().flatten();
        Ok(nodes.map(|node| Node::clone(node)).collect())
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.0.change(|_| None);
        Ok(self.0.view.borrow().services.keys().cloned().collect())
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let mut receiver = self.0.view.subscribe();
        receiver.mark_changed();
        let state = (self.0.clone(), receiver, Teller::new(service));
        Ok(updates(
            state,
            |(shared, mut receiver, mut teller)| async move {
                loop {
                    if let Some(update) = teller.next() {
                        return ((shared, receiver, teller), update);
                    }
                    shared.change(|_| None);
                    let expiry = shared.next_expiry();
                    tokio::select! {
                        changed = receiver.changed() => {
                            changed.expect("the sender is in what this stream holds");
                            teller.look(&receiver.borrow_and_update().clone());
                        }
                        () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {}
                    }
                }
            },
        ))
    }
}

impl Shared {
    /// Applies a change, and what time has changed, and shows both.
    fn change(&self, change: impl FnOnce(&mut State) -> Option<String>) {
        let mut state = self.state.lock();
        let mut changed = state.expire(Instant::now());
        changed.extend(change(&mut state));
        if changed.is_empty() {
            return;
        }
        let mut view = View::clone(&self.view.borrow());
        for service in changed {
            match state.set(&service) {
                Some(set) => view.services.insert(service, Arc::new(set)),
                None => view.services.remove(&service),
            };
        }
        self.view.send_replace(Arc::new(view));
    }

    fn next_expiry(&self) -> Option<Instant> {
        self.state.lock().expiries.first().map(|(at, ..)| *at)
    }
}

impl State {
    /// Returns the service if its set changed.
    fn insert(&mut self, node: &Node, expires: Option<Instant>) -> Option<String> {
        if let Some(at) = expires {
            let expiry = (at, node.service.clone(), node.id.clone());
            self.expiries.insert(expiry);
        }
        let nodes = self.services.entry(node.service.clone()).or_default();
        let record = Record {
            node: node.clone(),
            expires,
        };
        let before = nodes.insert(node.id.clone(), record);
        if let Some(at) = before.as_ref().and_then(|before| before.expires)
            && Some(at) != expires
        {
            self.expiries
                .remove(&(at, node.service.clone(), node.id.clone()));
        }
        let same = before.is_some_and(|before| before.node == *node);
        (!same).then(|| node.service.clone())
    }

    fn remove(&mut self, service: &str, id: &str) -> Option<String> {
        let nodes = self.services.get_mut(service)?;
        let record = nodes.remove(id)?;
        if nodes.is_empty() {
            self.services.remove(service);
        }
        if let Some(at) = record.expires {
            self.expiries
                .remove(&(at, service.to_owned(), id.to_owned()));
        }
        Some(service.to_owned())
    }

    fn expire(&mut self, now: Instant) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        while self.expiries.first().is_some_and(|(at, ..)| *at <= now)
            && let Some((_, service, id)) = self.expiries.pop_first()
        {
            changed.extend(self.remove(&service, &id));
        }
        changed
    }

    fn set(&self, service: &str) -> Option<Set> {
        let nodes = self.services.get(service)?;
        Some(Set::new(
            nodes.values().map(|record| record.node.clone()),
            true,
        ))
    }
}
