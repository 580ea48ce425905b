//! Registries on a server: what they share, so that each plugin implements only how its server keeps records.
//!
//! A [`Driver`] reads and writes records, and follows them while its server responds. [`Remote`] makes a
//! [`Registry`] of it: it bounds the time of every response, follows again after a loss, with jitter, and decides in
//! [`Reconciler`] what to believe of a server that lost its data, hung or let everything expire.
//!
//! ```text
//! Consul, Etcd, … = Remote<Driver> ── watch ──► Watch: follow, lose, wait, follow again
//!                                                └─ Reconciler: sets, suspects ──► WatchCursor ──► Update
//! ```

mod change;
mod reconciler;
mod state;
mod suspects;
mod watch;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

pub use crate::url::{Options, TlsFiles};
pub use change::Change;
pub use reconciler::Reconciler;

use super::{Registry, Scope, Updates, validation};
use crate::{
    address::are_of_this_machine,
    error::{Error, Result},
    node::Node,
};
use watch::Watch;

/// The timeout of one response.
const ANSWER: Duration = Duration::from_secs(5);

/// A server that keeps the records of nodes. It is not connected before first use.
///
/// Errors: [`Code::Unavailable`](crate::Code::Unavailable) if the server is not reached or cannot respond now,
/// [`Code::PermissionDenied`](crate::Code::PermissionDenied) or
/// [`Code::Unauthenticated`](crate::Code::Unauthenticated) if it refuses,
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) if it cannot hold a record, with the part that is wrong.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// The name that settings choose the registry by, such as `etcd`.
    fn name(&self) -> &str;

    /// The place of the server, for errors: hosts without secrets.
    fn place(&self) -> String;

    /// Whether records are maintained by others, so that writing one does nothing.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Writes a node's record, which is removed after `ttl` unless it is written again; permanent without one.
    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()>;

    /// Removes a record; no error if there is none.
    async fn deregister(&self, node: &Node) -> Result<()>;

    /// Returns the present nodes of a service.
    async fn get(&self, service: &str) -> Result<Vec<Node>>;

    /// Returns the names of all services, in any order.
    async fn list(&self) -> Result<Vec<String>>;

    /// Reports to `shown` the nodes of one service, or of all: first all of them, then each change, until the
    /// server is lost. Returns the reason. The driver must detect a server that is silent *after* the first
    /// report; before that, [`Remote`] waits 10 s. The future is dropped when there are no more watches.
    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error;
}

/// The machines that read a driver's server.
fn scope(driver: &impl Driver) -> Scope {
    Scope::of(are_of_this_machine(&driver.place()))
}

/// A registry made of a driver. Clones are handles to the same one.
pub struct Remote<D> {
    driver: Arc<D>,
}

impl<D: Driver> Remote<D> {
    /// Makes the registry of this driver.
    pub fn new(driver: D) -> Self {
        let driver = Arc::new(driver);
        Remote { driver }
    }

    /// Names the registry in errors, and bounds the wait.
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

/// A [`Remote`] in a type of its own, which this makes a [`Registry`].
///
/// ```
/// # use micro_core::registry::remote::{AsRemote, Driver, Remote};
/// /// Records on a server of ours.
/// pub struct Board<D>(Remote<D>);
///
/// impl<D: Driver> AsRemote for Board<D> {
///     type Driver = D;
///
///     fn as_remote(&self) -> &Remote<D> {
///         &self.0
///     }
/// }
/// ```
pub trait AsRemote: Send + Sync + 'static {
    /// The type of the driver.
    type Driver: Driver;

    /// The registry made of it.
    fn as_remote(&self) -> &Remote<Self::Driver>;
}

impl<D: Driver> AsRemote for Remote<D> {
    type Driver = D;

    fn as_remote(&self) -> &Self {
        self
    }
}

#[async_trait]
impl<R: AsRemote> Registry for R {
    fn name(&self) -> &str {
        self.as_remote().driver.name()
    }

    fn place(&self) -> Option<String> {
        Some(self.as_remote().driver.place())
    }

    fn is_read_only(&self) -> bool {
        self.as_remote().driver.is_read_only()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let checked = validation::validate(node, scope(&*self.as_remote().driver));
        checked.map_err(|error| error.context(self.as_remote().title()))?;
        self.as_remote()
            .answer(self.as_remote().driver.register(node, ttl))
            .await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.as_remote()
            .answer(self.as_remote().driver.deregister(node))
            .await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let mut nodes = self
            .as_remote()
            .answer(self.as_remote().driver.get(service))
            .await?;
        let scope = scope(&*self.as_remote().driver);
        nodes.retain(|node| validation::accept(self.name(), node, scope));
        Ok(nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let mut names = self
            .as_remote()
            .answer(self.as_remote().driver.list())
            .await?;
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        Ok(Watch::begin(self.as_remote().driver.clone(), service))
    }
}
