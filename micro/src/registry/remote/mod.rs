//! A registry that is a server elsewhere: what all of them share, so that each says only how its server keeps records.
//!
//! A [`Driver`] reads and writes records, and follows them for as long as its server is heard. [`Remote`] makes a
//! [`Registry`] of it: it bounds every answer in time, follows again after a loss, with jitter, and decides in
//! [`Shown`] what is to be believed of a server that forgot, hung or let everything expire.
//!
//! ```text
//! Consul, Etcd, … = Remote<Driver> ── watch ──► Watch: follow, lose, wait, follow again
//!                                                └─ Shown: sets, doubts ──► Teller ──► Update
//! ```

mod doubts;
#[cfg(any(feature = "consul", feature = "kubernetes"))]
pub(crate) mod http;
mod options;
#[cfg(any(feature = "consul", feature = "etcd", feature = "kubernetes"))]
pub(super) mod secret;
mod shown;
mod state;
#[cfg(any(
    feature = "consul",
    feature = "etcd",
    feature = "kubernetes",
    feature = "nats",
    feature = "zookeeper"
))]
pub(super) mod tls;
mod watch;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

#[cfg(unix)]
pub(super) use options::check_namespace;
#[cfg(feature = "kubernetes")]
pub(super) use options::switch;
pub use options::{Options, TlsFiles};
pub(super) use options::{trimmed, variable};
pub use shown::{Change, Shown};

use super::{Registry, Updates, admit};
use crate::{
    address::are_of_this_machine,
    error::{Error, Result},
    node::Node,
};
use watch::Watch;

/// How long one answer is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// A server that keeps the records of nodes. Nothing is connected before the first use.
///
/// Errors: [`Code::Unavailable`](crate::Code::Unavailable) when the server is not reached or cannot answer now,
/// [`Code::PermissionDenied`](crate::Code::PermissionDenied) or
/// [`Code::Unauthenticated`](crate::Code::Unauthenticated) when it refuses,
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) when it cannot hold a record, saying which part.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// The name it is chosen by, such as `etcd`.
    fn name(&self) -> &str;

    /// Where it is, for errors: hosts without secrets.
    fn place(&self) -> String;

    /// Whether records are found here that others keep, so that writing one does nothing.
    fn only_reads(&self) -> bool {
        false
    }

    /// Writes a node's record, which goes after `ttl` unless it is written again; for ever without one.
    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()>;

    /// Takes a record out; no error if there is none.
    async fn deregister(&self, node: &Node) -> Result<()>;

    /// The nodes of a service now.
    async fn get(&self, service: &str) -> Result<Vec<Node>>;

    /// The names of all services now, in any order.
    async fn list(&self) -> Result<Vec<String>>;

    /// Says to `shown` what the server has of one service, or of all: first whole, then each change, until the
    /// server is lost. Returns why it is. It must notice by itself a server that is silent *after* the first
    /// word; before that, [`Remote`] waits 10 s. Is dropped when nobody watches any more.
    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Shown>) -> Error;
}

/// Where those are who read what a driver's server has.
fn readers(driver: &impl Driver) -> admit::Readers {
    admit::Readers::of(are_of_this_machine(&driver.place()))
}

/// A registry made of a driver; a clone is another handle on it.
pub struct Remote<D> {
    driver: Arc<D>,
}

impl<D: Driver> Remote<D> {
    /// The registry that this driver reads and writes.
    pub fn new(driver: D) -> Self {
        let driver = Arc::new(driver);
        Remote { driver }
    }

    /// Names the registry in what went wrong, and bounds the wait.
    async fn answer<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = timeout(ANSWER, asked).await.unwrap_or_else(|_| {
            let waited = format!("no answer in {ANSWER:?}");
            Err(Error::unavailable(waited))
        });
        answer.map_err(|error| error.context(self.title()))
    }

    fn title(&self) -> String {
        format!(
            "registry `{}` at {}",
            self.driver.name(),
            self.driver.place()
        )
    }
}

impl<D> Clone for Remote<D> {
    fn clone(&self) -> Self {
        let driver = self.driver.clone();
        Remote { driver }
    }
}

#[async_trait]
impl<D: Driver> Registry for Remote<D> {
    fn name(&self) -> &str {
        self.driver.name()
    }

    fn place(&self) -> Option<String> {
        Some(self.driver.place())
    }

    fn only_reads(&self) -> bool {
        self.driver.only_reads()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let checked = admit::check_for(node, readers(&*self.driver));
        checked.map_err(|error| error.context(self.title()))?;
        self.answer(self.driver.register(node, ttl)).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.answer(self.driver.deregister(node)).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let mut nodes = self.answer(self.driver.get(service)).await?;
        let readers = readers(&*self.driver);
        nodes.retain(|node| admit::admit(self.name(), node, readers));
        Ok(nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let mut names = self.answer(self.driver.list()).await?;
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        Ok(Watch::begin(self.driver.clone(), service))
    }
}
