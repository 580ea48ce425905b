//! Discovery: the [`Registry`] trait, and registries that need no server.
//!
//! [`Memory`] is for one process, [`Local`] for the processes of one machine, and `Mdns` for those of one network; they
//! need no server. [`Static`] is a fixed list of nodes; `Dns` reads a zone, and
//! `Kubernetes` reads pods or EndpointSlices. The others keep records on a server. All but the first two and the list are
//! features. [`Several`] combines registries.
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

/// The registries of this crate that settings can name.
pub const PLUGINS: &[Plugin<dyn Registry>] = &[
    #[cfg(unix)]
    Plugin::new("local", |url| Ok(Arc::new(Local::open(url)?))),
    Plugin::new("memory", |url| Ok(Arc::new(Memory::open(url)?))),
    Plugin::new("static", |url| Ok(Arc::new(Static::open(url)?))),
];

/// A stream of complete sets of nodes.
pub type Updates = Pin<Box<dyn Stream<Item = Update> + Send>>;

/// Registers and finds the nodes of services.
///
/// Every implementation passes the suite `registry::contract` of the feature `test-util`. Methods fail with
/// [`Code::Unavailable`] if the registry cannot be reached.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// The name that settings choose the registry by, such as `local`.
    fn name(&self) -> &str;

    /// The place of its server, which distinguishes it from others of its name and contains no secrets; `None` for a registry
    /// without a server.
    fn place(&self) -> Option<String> {
        None
    }

    /// Whether it is a remote server, which may start later than its users: a service starts even while
    /// the registry is [`Unavailable`](crate::Code::Unavailable). By default, whether it has a place.
    fn is_remote(&self) -> bool {
        self.place().is_some()
    }

    /// Whether all its readers are on this machine, so that a loopback address or a Unix socket is useful to them.
    /// By default, whether its place is none or loopback.
    fn is_of_this_machine(&self) -> bool {
        self.place().is_none_or(|place| are_of_this_machine(&place))
    }

    /// Whether it is read-only: registrations are not stored, since others find the nodes in another way.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Registers a node, or renews its registration. With a `ttl`, the node is removed if that passes without a renewal or, if
    /// the registry can detect it, when this process ends; without one it stays until it is deregistered.
    ///
    /// The first registration of a handle replaces the record of another instance with the same id. A renewal
    /// does not: it fails with [`Code::AlreadyExists`] and the
    /// [reason](crate::Error::reason) `ID_IN_USE` while an instance at another address has the id, if the registry
    /// can detect it.
    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()>;

    /// Removes a node; no error if it is not there. A record that another instance, at another address, has with
    /// the same id stays; a node without an address stands for any with its id.
    async fn deregister(&self, node: &Node) -> Result<()>;

    /// Returns the present nodes of a service; empty if there are none.
    async fn get(&self, service: &str) -> Result<Vec<Node>>;

    /// Returns the names of all services, sorted.
    async fn list(&self) -> Result<Vec<String>>;

    /// Returns the present set of one service, or one set for each service, at once and at every change.
    ///
    /// The stream ends only with the registry. While the registry cannot be reached, the update is [`Update::Stale`].
    async fn watch(&self, service: Option<&str>) -> Result<Updates>;
}

/// An update of a watch: always a complete set, so that a lost or repeated one does no harm.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Update {
    /// The present nodes of a service.
    Set {
        /// The service.
        service: String,
        /// All its nodes.
        nodes: Vec<Arc<Node>>,
        /// Whether an empty set means that there are no nodes: `true` if the last node deregistered or died,
        /// `false` if the registry merely shows none, as one does that was restarted without its data.
        authoritative: bool,
    },
    /// The registry cannot be reached; earlier sets may be out of date.
    Stale {
        /// For how long.
        since: Duration,
        /// The reason.
        error: Error,
    },
}

/// The error of a renewal of `node`, whose id an instance at `address` has registered since.
pub fn id_in_use(node: &Node, address: &str) -> Error {
    Error::already_exists(format!(
        "another instance at `{address}` has registered as node `{}`; give each instance its own id (`--server-id`)",
        node.id
    ))
    .with_reason(reason::ID_IN_USE)
}

/// Whether a record at `address` belongs to another instance with the same id as `node`. A node without an
/// address stands for any.
pub fn is_another(node: &Node, address: &str) -> bool {
    !node.address.is_empty() && node.address != address
}

/// Whether a failure to register may pass by itself: the server is unreachable, full, busy or at its quota.
pub fn may_pass(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Aborted
    )
}
