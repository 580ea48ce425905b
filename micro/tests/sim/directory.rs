//! A simulated registry: slow, sometimes out of reach, sometimes out of date, sometimes empty.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use micro::{
    Error, Result,
    registry::{Node, Registry, Update, Updates},
};
use tokio::sync::Notify;

use super::{clock::Clock, random::Random};

/// The registry; clones are the same one.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

/// Nodes and when they expire, by service and id.
type Records = BTreeMap<(String, String), (Node, Option<Duration>)>;

struct Shared {
    clock: Clock,
    nodes: Mutex<Records>,
    random: Mutex<Random>,
    state: Mutex<State>,
    /// Not a `watch`, which wakes those who wait in any order.
    told: Notify,
    /// The longest that word of a change takes.
    delay: Duration,
}

#[derive(Clone, Copy, Default)]
struct State {
    version: u64,
    down: bool,
    /// Changes are kept back.
    stalled: bool,
    /// It was restarted without memory: what it does not show may be there.
    amnesiac: bool,
}

impl Directory {
    pub fn new(random: Random, clock: &Clock, delay: Duration) -> Self {
        Directory(Arc::new(Shared {
            clock: clock.clone(),
            nodes: Mutex::default(),
            random: Mutex::new(random),
            state: Mutex::default(),
            told: Notify::new(),
            delay,
        }))
    }

    /// Puts it out of reach, or back.
    pub fn set_down(&self, down: bool) {
        self.change(|state| state.down = down);
    }

    /// Keeps changes back, or lets them be known.
    pub fn set_stalled(&self, stalled: bool) {
        self.change(|state| state.stalled = stalled);
    }

    /// Restarts it without memory: nodes come back as they renew.
    pub fn forget(&self) {
        self.lock().clear();
        self.change(|state| state.amnesiac = true);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Records> {
        self.0
            .nodes
            .lock()
            .expect("no test panics within the registry")
    }

    fn state(&self) -> State {
        *self
            .0
            .state
            .lock()
            .expect("no test panics within the registry")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self
                .0
                .state
                .lock()
                .expect("no test panics within the registry");
            state.version += 1;
            change(&mut state);
        }
        self.0.told.notify_waiters();
    }

    fn changed(&self) {
        self.change(|_| {});
    }

    async fn delay(&self) {
        let most = self.0.delay.as_millis() as u64;
        if most > 0 {
            let delay = {
                let random = self.0.random.lock();
                random
                    .expect("no test panics within the registry")
                    .millis(0..most)
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

    /// The nodes now, and when the next one expires.
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
impl Registry for Directory {
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
            self.changed();
        }
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.reach().await?;
        let key = (node.service.clone(), node.id.clone());
        self.lock().remove(&key);
        self.changed();
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
            directory: self.clone(),
            service: service.map(str::to_owned),
            seen: None,
            expires: None,
        };
        Ok(Box::pin(Stream(Box::pin(watching.next()))))
    }
}

struct Watching {
    directory: Directory,
    service: Option<String>,
    /// The version that was told last.
    seen: Option<u64>,
    expires: Option<Duration>,
}

impl Watching {
    async fn next(mut self) -> (Update, Self) {
        loop {
            let shared = self.directory.0.clone();
            let told = shared.told.notified();
            if self.seen == Some(self.directory.state().version) {
                match self.expires {
                    Some(at) => {
                        let at = self.directory.0.clock.own(at);
                        drop(tokio::time::timeout_at(at, told).await);
                    }
                    None => told.await,
                }
            }
            self.directory.delay().await;
            let state = self.directory.state();
            self.seen = Some(state.version);
            if state.down {
                self.expires = None;
                let error = Error::unavailable("the simulated registry is down");
                let since = Duration::ZERO;
                return (Update::Stale { since, error }, self);
            }
            let (nodes, expires) = self.directory.nodes(self.service.as_deref());
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
