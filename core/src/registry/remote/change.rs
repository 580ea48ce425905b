//! What a server says of one node.

use crate::node::Node;

/// What became of one node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// It was registered, or registered again.
    Put(Node),
    /// It was taken out by someone.
    Gone {
        /// Its service.
        service: String,
        /// Its id.
        id: String,
    },
    /// It was not renewed in time.
    Expired {
        /// Its service.
        service: String,
        /// Its id.
        id: String,
    },
}
