//! A change of one node at a server.

use crate::node::Node;

/// A change of one node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// The node was registered, or registered again.
    Put(Node),
    /// The node was removed.
    Gone {
        /// The service.
        service: String,
        /// The id.
        id: String,
    },
    /// The node was not renewed in time.
    Expired {
        /// The service.
        service: String,
        /// The id.
        id: String,
    },
}
