//! A simulated registry server, which can be slow, unreachable, outdated or empty.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use micro_core::{
    Error, Result,
    node::Node,
    registry::{self, Update, Updates},
};
use tokio::sync::Notify;

use super::{clock::Clock, random::Random};

/// A registry server. Clones are the same server.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

/// Nodes and when they expire, by service and id.
type Records = BTreeMap<(String, String), (Node, Option<Duration>)>;

struct Shared {
    clock: Clock,
    nodes: Mutex<Records>,
    random: Mutex<Random>,
    state: Mutex<State>,
    /// Not a `watch` channel, which wakes receivers in any order.
    changed: Notify,
    /// The longest time of a request, or of a notification.
    delay: Duration,
}

#[derive(Clone, Copy, Default)]
struct State {
    version: u64,
    down: bool,
    /// Watchers are not notified.
    stalled: bool,
    /// It was restarted without its data, so that missing nodes may be alive.
    amnesiac: bool,
}

impl Registry {
    /// Creates a registry outside a [`Simulation`](super::Simulation), for tests in one runtime. `delay` is the longest time
    /// of a request. Must be called within that runtime.
    pub fn new(seed: u64, delay: Duration) -> Self {
        Self::simulated(Random::new(seed), &Clock::new(), delay)
    }

    pub(super) fn simulated(random: Random, clock: &Clock, delay: Duration) -> Self {
        Registry(Arc::new(Shared {
            clock: clock.clone(),
            nodes: Mutex::default(),
            random: Mutex::new(random),
            state: Mutex::default(),
            changed: Notify::new(),
            delay,
        }))
    }

    /// Makes the server unreachable, or reachable again.
    pub fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    /// Withholds changes from watchers, or delivers them again.
    pub fn set_stalled(&self, stalled: bool) {
        self.change(|state| state.stalled = stalled);
    }

    /// Restarts the server without its data: nodes reappear when they renew.
    pub fn forget(&self) {
        self.lock().clear();
        self.change(|state| state.amnesiac = true);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Records> {
        self.0
            .nodes
            .lock()
            .expect("nothing panics inside the registry")
    }

    fn state(&self) -> State {
        *self
            .0
            .state
            .lock()
            .expect("nothing panics inside the registry")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self
                .0
                .state
                .lock()
                .expect("nothing panics inside the registry");
            state.version += 1;
            change(&mut state);
        }
        self.0.changed.notify_waiters();
    }

    fn touch(&self) {
        self.change(|_| {});
    }

    async fn delay(&self) {
        let max = self.0.delay.as_millis() as u64;
        if max > 0 {
            let delay = {
                let random = self.0.random.lock();
                random
                    .expect("nothing panics inside the registry")
                    .millis(0..max)
            };
            tokio::time::sleep(delay).await;
        }
    }

    async fn reach(&self) -> Result<()> {
        self.delay().await;
        if self.state().down {
            return Err(Error::unavailable("the simulated registry is down"));
        }
        Ok(())
    }

    /// The present nodes, and when the next one expires.
    fn nodes(&self, service: Option<&str>) -> (Vec<Node>, Option<Duration>) {
        let mut all = self.lock();
        let now = self.0.clock.now();
        all.retain(|_, (_, expires)| expires.is_none_or(|at| at > now));
        let nodes = all.values().map(|(node, _)| node);
        let nodes = nodes.filter(|node| service.is_none_or(|name| node.service == name));
        let next = all.values().filter_map(|(_, expires)| *expires).min();
        (nodes.cloned().collect(), next)
    }
}

#[async_trait]
impl registry::Registry for Registry {
    fn name(&self) -> &str {
        "simulated"
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        self.reach().await?;
        let key = (node.service.clone(), node.id.clone());
        let expires = ttl.map(|ttl| self.0.clock.now() + ttl);
        let before = self.lock().insert(key, (node.clone(), expires));
        if before.is_none_or(|(before, _)| before != *node) {
            self.touch();
        }
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.reach().await?;
        let key = (node.service.clone(), node.id.clone());
        self.lock().remove(&key);
        self.touch();
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.reach().await?;
        Ok(self.nodes(Some(service)).0)
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.reach().await?;
        let mut names: Vec<_> = self.nodes(None).0.into_iter().map(|n| n.service).collect();
        names.dedup();
        Ok(names)
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        self.reach().await?;
        let watching = Watching {
            registry: self.clone(),
            service: service.map(str::to_owned),
            seen: None,
            expires: None,
        };
        Ok(Box::pin(Stream(Box::pin(watching.next()))))
    }
}

struct Watching {
    registry: Registry,
    service: Option<String>,
    /// The last version that was delivered.
    seen: Option<u64>,
    expires: Option<Duration>,
}

impl Watching {
    async fn next(mut self) -> (Update, Self) {
        loop {
            let shared = self.registry.0.clone();
            let changed = shared.changed.notified();
            if self.seen == Some(self.registry.state().version) {
                match self.expires {
                    Some(at) => {
                        let at = self.registry.0.clock.own(at);
                        drop(tokio::time::timeout_at(at, changed).await);
                    }
                    None => changed.await,
                }
            }
            self.registry.delay().await;
            let state = self.registry.state();
            self.seen = Some(state.version);
            if state.down {
                self.expires = None;
                let error = Error::unavailable("the simulated registry is down");
                let since = Duration::ZERO;
                return (Update::Stale { since, error }, self);
            }
            let (nodes, expires) = self.registry.nodes(self.service.as_deref());
            self.expires = expires;
            if state.stalled {
                continue;
            }
            let update = Update::Set {
                service: self.service.clone().unwrap_or_default(),
                authoritative: !state.amnesiac,
                nodes: nodes.into_iter().map(Arc::new).collect(),
            };
            return (update, self);
        }
    }
}

struct Stream(Pin<Box<dyn Future<Output = (Update, Watching)> + Send>>);

impl futures_core::Stream for Stream {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        let (update, watching) = ready!(self.0.as_mut().poll(cx));
        self.0 = Box::pin(watching.next());
        Poll::Ready(Some(update))
    }
}
