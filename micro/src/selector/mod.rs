//! Which node takes the next attempt: snapshots of a service's nodes, strategies, filters, ejection.

mod load;

use std::{collections::BTreeMap, sync::Arc};

pub use load::Load;

use crate::registry::Node;

/// Picks a node. One line supplies one's own: `client.strategy(MyStrategy)`.
///
/// Called for every attempt, on any thread: it must not block, lock or allocate.
pub trait Strategy: Send + Sync + 'static {
    /// The name it is chosen by, such as `p2c`.
    fn name(&self) -> &str;

    /// The index in the snapshot of the node to try next; `None` when all have been tried.
    fn pick(&self, snapshot: &Snapshot, tried: &Tried) -> Option<usize>;
}

/// Keeps some nodes of a service; evaluated once a snapshot, not once a call.
pub trait Filter: Send + Sync + 'static {
    /// What makes it differ from other filters, such as `version=1.2.0`; equal keys share a snapshot.
    fn key(&self) -> &str;

    /// Whether the node may take these calls.
    fn keep(&self, node: &Node) -> bool;
}

/// The nodes of a service at one moment. Immutable; what changes call by call is in each [`Load`].
#[derive(Debug, Default)]
pub struct Snapshot {
    members: Box<[Member]>,
}

/// One node of a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// Its record.
    pub node: Arc<Node>,
    /// What is known of it from its calls; the same in every snapshot that has the node.
    pub load: Arc<Load>,
    /// Its share of traffic against the others', after version weights; 0 takes none.
    pub weight: u32,
}

/// The nodes that this call has tried already. Holds eight without allocating.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    first: [u64; 8],
    count: usize,
    rest: BTreeMap<u64, ()>,
}
