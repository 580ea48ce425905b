//! Which nodes serve which service: the [`Registry`] trait and what it stores.
//!
//! [`Memory`] is for one process; [`Local`] for the processes of one machine, and needs no server; no more does
//! `Mdns`, for those of one network. [`Static`] is a list of nodes that are known beforehand; `Dns` reads a zone, and
//! `Kubernetes` pods or plain services. The others keep records on a server. Each but the first three and the list is
//! a feature. [`Several`] makes one of many.
//! [`encoding`] is the JSON that registries store.

#[cfg(feature = "test-util")]
pub mod contract;
pub mod encoding;
mod file;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod join_all;
#[cfg(unix)]
mod local;
mod memory;
pub mod remote;
mod renewal;
mod several;
pub mod static_list;
pub mod validation;
pub mod view;

use std::{pin::Pin, sync::Arc, time::Duration};

#[cfg(fuzzing)]
pub use fuzz::records as fuzz_records;

use async_trait::async_trait;
use futures_core::Stream;

pub use crate::node::{Endpoint, Node, Value};
#[cfg(unix)]
pub use local::Local;
pub use memory::Memory;
pub use renewal::Renewal;
pub use several::Several;
pub use static_list::Static;

use crate::{
    address::are_of_this_machine,
    error::{Code, Error, Result, details::reason},
    plugin::Plugin,
};

pub(crate) use file::open_plain;
pub use join_all::join_all;
pub use validation::Scope;

/// The registries of this crate that settings may name.
pub const PLUGINS: &[Plugin<dyn Registry>] = &[
    #[cfg(unix)]
    Plugin::new("local", |url| Ok(Arc::new(Local::open(url)?))),
    Plugin::new("memory", |url| Ok(Arc::new(Memory::open(url)?))),
    Plugin::new("static", |url| Ok(Arc::new(Static::open(url)?))),
];

/// Whole sets of nodes, as they change.
pub type Updates = Pin<Box<dyn Stream<Item = Update> + Send>>;

/// Where services are registered and found.
///
/// Every implementation passes the same suite, `registry::contract` of the feature `test-util`. Methods fail with
/// [`Code::Unavailable`] when the registry cannot be reached.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The name it is chosen by, such as `local`.
    fn name(&self) -> &str;

    /// Where its server is, in words that set it apart from others of its name and hold no secrets; `None` for one
    /// that needs no server.
    fn place(&self) -> Option<String> {
        None
    }

    /// Whether it is a server elsewhere, that may come up later than who uses it: a service starts all the same while
    /// it is [`Unavailable`](crate::Code::Unavailable). As it has a place, unless it says
    /// otherwise.
    fn is_remote(&self) -> bool {
        self.place().is_some()
    }

    /// Whether all who read it are on this machine, so that a loopback address or a Unix socket leads them to the node.
    /// As its place is none or loopback, unless it says otherwise.
    fn is_of_this_machine(&self) -> bool {
        self.place().is_none_or(|place| are_of_this_machine(&place))
    }

    /// Whether it is only read: what is registered is kept nowhere, as others find it in another way.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Registers a node or renews it. With a `ttl` it goes when that passes unrenewed or, where the
    /// registry can tell, when this process ends; without one it stays until it is deregistered.
    ///
    /// The first registration of a handle takes the place of another instance's record under the same id. A renewal
    /// does not: it fails with [`Code::AlreadyExists`] and the
    /// [reason](crate::Error::reason) `ID_IN_USE` while an instance at another address has the id, where the registry
    /// can tell.
    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()>;

    /// Takes a node out; no error if it is not there. A record that another instance, at another address, has under
    /// the same id stays; a node without an address stands for any of its id.
    async fn deregister(&self, node: &Node) -> Result<()>;

    /// The nodes of a service now; empty when there is none.
    async fn get(&self, service: &str) -> Result<Vec<Node>>;

    /// The names of all services now, sorted.
    async fn list(&self) -> Result<Vec<String>>;

    /// The current set of one service, or one set each for all, at once and at every change.
    ///
    /// The stream ends only with the registry; while it cannot be reached it says [`Update::Stale`].
    async fn watch(&self, service: Option<&str>) -> Result<Updates>;
}

/// What a watch says: always the whole current set, so that a lost or repeated one does no harm.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Update {
    /// The nodes of a service as they are now.
    Set {
        /// Whose nodes.
        service: String,
        /// All of them.
        nodes: Vec<Arc<Node>>,
        /// Whether an empty set is to be believed: `true` when its last node deregistered or died,
        /// `false` when a registry merely shows none, as one does that was restarted empty.
        authoritative: bool,
    },
    /// The registry cannot be reached; what was said before may be out of date.
    Stale {
        /// For how long already.
        since: Duration,
        /// Why.
        error: Error,
    },
}

/// The failure of a renewal of `node`, whose id an instance at `address` has registered since.
pub fn id_in_use(node: &Node, address: &str) -> Error {
    Error::already_exists(format!(
        "another instance at `{address}` has registered as node `{}`; give each instance its own id (`--server-id`)",
        node.id
    ))
    .with_reason(reason::ID_IN_USE)
}

/// Whether a record at `address` is not `node`'s own but another instance's, which has the same id. A node without an
/// address stands for any.
pub fn is_another(node: &Node, address: &str) -> bool {
    !node.address.is_empty() && node.address != address
}

/// Whether a failure to register may end by itself: the server is away, full, busy or at its quota.
pub fn may_pass(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Aborted
    )
}
