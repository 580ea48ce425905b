//! A registry for one network over multicast DNS, as in go-micro.

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod captures;
mod entry;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod message;
mod sockets;
mod state;
mod task;

#[cfg(fuzzing)]
pub use fuzz::messages as fuzz_messages;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use micro_core::{
    Error, Result,
    node::Node,
    registry::{
        Registry, Scope, Updates, validation,
        view::{WatchCursor, updates},
    },
    url::{Reads, Url},
};
use sockets::Sockets;
use task::Shared;

/// How long to wait for answers, as in go-micro.
const ANSWER_WINDOW: Duration = Duration::from_millis(100);

/// A registry of one network without a server: each process answers for its own nodes by multicast DNS.
///
/// go-micro takes part in the domain `micro` since v1.10, and in `local` before. go-micro finds only nodes with an IP
/// address and a port; this registry finds any node.
///
/// Nodes announce themselves and say goodbye by multicast, so a watch is notified in milliseconds. A killed node
/// expires with its TTL, 120 s at most. [`get`](Registry::get) and [`list`](Registry::list) wait 100 ms for answers.
/// All messages of the network are trusted, except a goodbye for a node with a TTL: that node is announced again (RFC
/// 6762).
///
/// ```no_run
/// # async fn example() -> micro::Result<()> {
/// use micro::{Plugins, Service, registry::Mdns};
///
/// let plugins = Plugins::new().registry(Mdns::new());
/// let running = Service::new("greeter")
///     .address("0.0.0.0:0")
///     .advertise("192.168.1.7:4000")
///     .plugins(plugins)
///     .serve()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mdns(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    running: Mutex<Option<Task>>,
}

struct Task {
    sockets: Arc<Sockets>,
    handle: JoinHandle<()>,
}

impl Mdns {
    /// The registry of the domain `micro`.
    pub fn new() -> Self {
        Mdns::domains(["micro"])
    }

    /// The registry of the domains of a URL, as in `mdns:DOMAIN,DOMAIN`; `micro` without any.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a domain of other characters than letters, digits,
    /// `-`, `_` and `.`, and for any other part of a URL.
    pub fn open(url: &Url) -> Result<Self> {
        url.check(&Reads::new().keys(&[]))?;
        for domain in url.all_hosts() {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if domain.is_empty() || !domain.chars().all(is_plain) {
                return Err(Error::invalid_argument(format!(
                    "`{domain}` is not the name of a domain"
                )));
            }
        }
        Ok(match url.hosts().next() {
            None => Mdns::new(),
            Some(_) => Mdns::domains(url.hosts()),
        })
    }

    /// The registry of these domains: `local` for go-micro before v1.10.
    pub fn domains<S: Into<String>>(domains: impl IntoIterator<Item = S>) -> Self {
        let domains = domains.into_iter().map(Into::into);
        let shared = Shared {
            domains: domains.collect(),
            state: Mutex::default(),
            work_added: tokio::sync::Notify::new(),
        };
        Mdns(Arc::new(Inner {
            shared: Arc::new(shared),
            running: Mutex::default(),
        }))
    }
}

impl Default for Mdns {
    fn default() -> Self {
        Mdns::new()
    }
}

impl Inner {
    /// The sockets. Starts their task on the runtime of the caller if it is not running.
    fn sockets(&self) -> Result<Arc<Sockets>> {
        let mut running = self.running.lock();
        if let Some(task) = &*running
            && !task.handle.is_finished()
        {
            return Ok(task.sockets.clone());
        }
        let sockets = Sockets::open().map_err(|error| {
            Error::unavailable("registry `mdns` cannot take part in multicast DNS")
                .with_source(error)
        })?;
        let sockets = Arc::new(sockets);
        let handle = tokio::spawn(self.shared.clone().run(sockets.clone()));
        *running = Some(Task {
            sockets: sockets.clone(),
            handle,
        });
        Ok(sockets)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.running.get_mut().take() {
            task.handle.abort();
            let own: Vec<Node> = self
                .shared
                .state
                .lock()
                .own()
                .map(|(node, _)| node.clone())
                .collect();
            for node in own {
                // The registry is being dropped: errors have no receiver.
                let _ = self.shared.announce(&task.sockets, &node, 0, false);
            }
        }
    }
}

/// Counts a watch until dropped.
struct WatchGuard {
    inner: Arc<Inner>,
    service: Option<String>,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.inner
            .shared
            .state
            .lock()
            .leave(self.service.as_deref());
    }
}

#[async_trait]
impl Registry for Mdns {
    fn name(&self) -> &str {
        "mdns"
    }

    fn is_of_this_machine(&self) -> bool {
        false
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        validation::validate(node, Scope::Network)
            .map_err(|error| error.context("registry `mdns`"))?;
        let (sockets, shared) = (self.0.sockets()?, &self.0.shared);
        for domain in &shared.domains {
            // Checks that the record fits before anything is sent.
            entry::records(node, domain, 0, false)?;
        }
        let due = shared.state.lock().register(node, ttl);
        let due = due.map_err(|error| error.context("registry `mdns`"))?;
        if let Some(seconds) = due {
            shared.announce(&sockets, node, seconds, false)?;
        }
        shared.work_added.notify_one();
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let (sockets, shared) = (self.0.sockets()?, &self.0.shared);
        let own = shared.state.lock().deregister(node);
        match own {
            Some(own) => shared.announce(&sockets, node, 0, !own),
            None => Ok(()),
        }
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let sockets = self.0.sockets()?;
        self.0.shared.ask(&sockets, service);
        sleep(ANSWER_WINDOW).await;
        Ok(self.0.shared.state.lock().nodes(service))
    }

    async fn list(&self) -> Result<Vec<String>> {
        let (sockets, since) = (self.0.sockets()?, Instant::now());
        self.0.shared.list(&sockets);
        sleep(ANSWER_WINDOW).await;
        Ok(self.0.shared.state.lock().services(since))
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let (sockets, shared) = (self.0.sockets()?, &self.0.shared);
        shared.state.lock().want(service);
        let wanted = WatchGuard {
            inner: self.0.clone(),
            service: service.map(str::to_owned),
        };
        let mut view = shared.state.lock().view();
        match service {
            Some(service) => shared.ask(&sockets, service),
            None => shared.list(&sockets),
        }
        // Waits for answers, so that the first update is not empty.
        sleep(ANSWER_WINDOW).await;
        view.mark_changed();
        let state = (wanted, view, WatchCursor::new(service));
        Ok(updates(
            state,
            |(wanted, mut view, mut cursor)| async move {
                loop {
                    if let Some(update) = cursor.next_update() {
                        return ((wanted, view, cursor), update);
                    }
                    // Starts the task again if its runtime has ended. If that fails, the next registration retries.
                    let _sockets = wanted.inner.sockets();
                    view.changed()
                        .await
                        .expect("the sender is in what this stream holds");
                    let shown = view.borrow_and_update().clone();
                    cursor.observe(&shown);
                }
            },
        ))
    }
}
