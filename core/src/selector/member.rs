//! One node of a snapshot, with what is known of it.

use std::sync::Arc;

use super::load::Load;
use crate::node::Node;

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
    /// What one of its calls in flight weighs: the mean weight of its group over its own.
    pub(super) scale: f64,
}
