//! What a call may ask of the loop, and what the loop has counted.

use std::{sync::Arc, time::Duration};

use crate::{node::Node, selector::Filter};

/// What one call asks of the loop; put into a request's extensions by the client.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Only these nodes.
    pub filter: Option<Arc<dyn Filter>>,
    /// This address, without discovery.
    pub address: Option<String>,
    /// This node, by its record, without discovery.
    #[doc(hidden)]
    pub node: Option<Arc<Node>>,
    /// After this long without an answer, ask a second node too; for idempotent endpoints only.
    pub hedge: Option<Duration>,
    /// Gives each attempt that may be repeated half the time that is left, however long answers
    /// usually take: for work whose time varies, and that is better not done twice.
    pub patient: bool,
    /// Whether the answer is expected to stream: unless the call has a deadline of its own, time is
    /// limited only until the stream begins. The same holds of any request that streams.
    pub stream: bool,
}

impl Options {
    /// The one node that is to be called, if one is.
    pub(super) fn direct(&self, service: &str) -> Option<Arc<Node>> {
        let at = |address: &String| Arc::new(Node::new(service, address, address));
        self.node.clone().or_else(|| self.address.as_ref().map(at))
    }
}

/// What the loop has counted for one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls begun.
    pub calls: u64,
    /// Calls that ended in an error.
    pub failed: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Second attempts made beside a first.
    pub hedges: u64,
    /// Nodes ejected.
    pub ejections: u64,
}
