//! [`Member`], a node of a snapshot.

use std::sync::Arc;

use super::load::Load;
use crate::node::Node;

/// One node of a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// The record.
    pub node: Arc<Node>,
    /// The load, which is the same in every snapshot with this node.
    pub load: Arc<Load>,
    /// The share of traffic relative to the others', after version weights; a node with 0 gets none.
    pub weight: u32,
    /// The weight of one call in flight: the mean weight of the group divided by this node's weight.
    pub(super) scale: f64,
}
