//! Picks the node of the next attempt: snapshots of a service's nodes, strategies, filters, ejection.
//!
//! A [`Cache`] watches the registry and keeps one [`Set`] for each service: a [`Snapshot`] of its nodes with
//! the [`Load`] of each. A [`Strategy`] picks from the snapshot, which takes no lock and
//! allocates nothing; the end of each call is recorded in the picked node's load.

mod cache;
#[cfg(feature = "test-util")]
pub mod contract;
mod draw;
pub mod filter;
mod fleet;
mod health;
mod latency;
mod load;
mod member;
mod picker;
mod set;
mod snapshot;
pub mod strategy;
#[cfg(test)]
mod tests;
mod tried_nodes;
mod verdict;
mod weights;

pub use crate::random::{Dice, Rng};
pub(crate) use cache::Names;
pub use cache::{Cache, Entry, Fill, Options, Retire, Snapshots};
pub use fleet::Fleet;
pub use health::ProbeResult;
pub use load::Load;
pub use member::Member;
pub use picker::{Next, Picker, Select, Selector};
pub use set::Set;
pub use snapshot::Snapshot;
pub use tried_nodes::TriedNodes;
pub use verdict::Verdict;
pub use weights::VersionWeights;

use crate::node::Node;

/// The service of version weights in the registry: one record for each service, with the id
/// `micro.weights-` and the service's name, and a weight for each version as metadata.
pub const WEIGHTS: &str = "micro.weights";

/// Picks a node. One line sets a strategy of your own: `client.strategy(MyStrategy)`.
///
/// Called for every attempt, on any thread: it must not block, lock or allocate.
///
/// ```
/// use micro::{registry::Node, selector::{Snapshot, Strategy, TriedNodes}};
///
/// struct First;
///
/// impl Strategy for First {
///     fn name(&self) -> &str {
///         "first"
///     }
///
///     fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize> {
///         (0..snapshot.len()).find(|index| snapshot.is_usable(*index, tried))
///     }
/// }
///
/// let snapshot = Snapshot::of(["a", "b"].map(|id| Node::new("greeter", id, "10.0.0.1:80")));
/// let mut tried = TriedNodes::new();
/// assert_eq!(First.pick(&snapshot, &tried), Some(0));
/// tried.add(snapshot.get(0));
/// assert_eq!(First.pick(&snapshot, &tried), Some(1));
/// ```
pub trait Strategy: Send + Sync + 'static {
    /// The name that settings choose the strategy by, such as `p2c`.
    fn name(&self) -> &str;

    /// Returns the index of the node to try next; `None` if all have been tried.
    ///
    /// [`Snapshot::now`] has the time.
    fn pick(&self, snapshot: &Snapshot, tried: &TriedNodes) -> Option<usize>;
}

/// Keeps some nodes of a service; evaluated once for each snapshot, not for each call.
///
/// ```
/// use micro::{registry::Node, selector::Filter};
///
/// struct Loopback;
///
/// impl Filter for Loopback {
///     fn key(&self) -> &str {
///         "loopback"
///     }
///
///     fn keep(&self, node: &Node) -> bool {
///         node.address.starts_with("127.")
///     }
/// }
///
/// assert!(!Loopback.keep(&Node::new("greeter", "a", "10.0.0.1:80")));
/// ```
pub trait Filter: Send + Sync + 'static {
    /// Distinguishes the filter from others, such as `version=1.2.0`; filters with equal keys share a snapshot.
    fn key(&self) -> &str;

    /// Whether the node may get these calls.
    fn keep(&self, node: &Node) -> bool;
}
