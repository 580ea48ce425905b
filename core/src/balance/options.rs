//! Options of a call, and the counts of a service.

use std::{sync::Arc, time::Duration};

use crate::{node::Node, selector::Filter};

/// The options of one call, which the client puts into the request's extensions.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Considers only these nodes.
    pub filter: Option<Arc<dyn Filter>>,
    /// Calls this address, without discovery.
    pub address: Option<String>,
    /// Calls this node by its record, without discovery.
    #[doc(hidden)]
    pub node: Option<Arc<Node>>,
    /// Asks a second node after this long without an answer; for idempotent endpoints only.
    pub hedge: Option<Duration>,
    /// Gives each repeatable attempt half the time left, whatever the endpoint's usual latency: for work
    /// whose duration varies, and that is better not done twice.
    pub patient: bool,
    /// Whether the answer is expected to be a stream: unless the call has a deadline, its timeout then
    /// ends when the stream begins. The same applies to a request that is a stream.
    pub stream: bool,
}

impl Options {
    /// The node to call, if the caller gave one.
    pub(super) fn direct(&self, service: &str) -> Option<Arc<Node>> {
        let at = |address: &String| Arc::new(Node::new(service, address, address));
        self.node.clone().or_else(|| self.address.as_ref().map(at))
    }
}

/// The counts of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls started.
    pub calls: u64,
    /// Calls that ended with an error.
    pub failed: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Attempts made beside a first one.
    pub hedges: u64,
    /// Nodes ejected.
    pub ejections: u64,
}
