//! A filter: which nodes may take a call at all.

use micro_core::{node::Node, selector::Filter};

/// Keeps the nodes whose metadata has this `zone`.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Tells this filter from others; equal keys share a snapshot.
    key: String,
    zone: String,
}

impl Zone {
    /// The nodes of a zone, such as `eu-west-1a`.
    pub fn new(zone: &str) -> Self {
        Zone {
            key: format!("zone={zone}"),
            zone: zone.to_owned(),
        }
    }
}

impl Filter for Zone {
    fn key(&self) -> &str {
        &self.key
    }

    fn keep(&self, node: &Node) -> bool {
        node.metadata.get("zone") == Some(&self.zone)
    }
}
