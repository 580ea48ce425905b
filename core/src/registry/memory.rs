//! A registry for the services of one process: tests, simulations and monoliths.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
    Registry, Updates, id_in_use, is_another,
    view::{NodeSet, View, WatchCursor, updates},
};
use crate::{error::Result, node::Node, url::Url};

/// A registry in this process. Clones are handles to the same one.
///
/// A node registered with a time to live is removed if that passes without a renewal, by tokio's clock.
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
#[derive(Debug, Default)]
pub struct Memory {
    shared: Arc<Shared>,
    /// The addresses that this handle has registered, by service and id.
    registered: Mutex<HashMap<(String, String), String>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    view: watch::Sender<Arc<View>>,
}

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<String, BTreeMap<String, Record>>,
    /// When nodes expire, soonest first.
    expiries: BTreeSet<(Instant, String, String)>,
}

#[derive(Debug)]
struct Record {
    node: Node,
    expires: Option<Instant>,
}

impl Memory {
    /// Creates an empty registry.
    pub fn new() -> Self {
        Memory::default()
    }

    /// Opens the registry at the URL `memory`, which is empty.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) if the URL has an address.
    pub fn open(url: &Url) -> Result<Self> {
        url.check_is_bare()?;
        Ok(Memory::new())
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Memory {
            shared: self.shared.clone(),
            registered: Mutex::default(),
        }
    }
}

#[async_trait]
impl Registry for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        // A time to live beyond the end of the clock never passes.
        let expires = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        let key = (node.service.clone(), node.id.clone());
        let mut registered = self.registered.lock();
        let is_renewal = registered.get(&key) == Some(&node.address);
        let mut other = None;
        self.shared.change(|state| {
            other = state.other(node).filter(|_| is_renewal);
            match other {
                Some(_) => None,
                None => state.insert(node, expires),
            }
        });
        if let Some(other) = other {
            return Err(id_in_use(node, &other));
        }
        registered.insert(key, node.address.clone());
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let key = (node.service.clone(), node.id.clone());
        self.registered.lock().remove(&key);
        self.shared.change(|state| match state.other(node) {
            Some(_) => None,
            None => state.remove(&node.service, &node.id),
        });
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.shared.change(|_| None);
        let view = self.shared.view.borrow();
        let nodes = view.services.get(service).map(|set| set.nodes.iter());
        let nodes = nodes.into_iter().flatten();
        Ok(nodes.map(|node| Node::clone(node)).collect())
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.shared.change(|_| None);
        Ok(self.shared.view.borrow().services.keys().cloned().collect())
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let mut receiver = self.shared.view.subscribe();
        receiver.mark_changed();
        let state = (self.shared.clone(), receiver, WatchCursor::new(service));
        Ok(updates(
            state,
            |(shared, mut receiver, mut cursor)| async move {
                loop {
                    if let Some(update) = cursor.next_update() {
                        return ((shared, receiver, cursor), update);
                    }
                    shared.change(|_| None);
                    let expiry = shared.next_expiry();
                    tokio::select! {
                        changed = receiver.changed() => {
                            changed.expect("the sender is in what this stream holds");
                            cursor.observe(&receiver.borrow_and_update().clone());
                        }
                        () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {}
                    }
                }
            },
        ))
    }
}

impl Shared {
    /// Applies a change and the expirations, and publishes both.
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
    /// The address of another instance that is registered with a node's id.
    fn other(&self, node: &Node) -> Option<String> {
        let record = self.services.get(&node.service)?.get(&node.id)?;
        let address = &record.node.address;
        is_another(node, address).then(|| address.clone())
    }

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

    fn set(&self, service: &str) -> Option<NodeSet> {
        let nodes = self.services.get(service)?;
        Some(NodeSet::new(
            nodes.values().map(|record| record.node.clone()),
            true,
        ))
    }
}
