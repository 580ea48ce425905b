//! The nodes of this process, and which of their ids other instances have taken over.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use micro_core::{node::Node, registry::is_another};

/// Nodes by service and id.
#[derive(Default)]
pub(super) struct LocalNodes(BTreeMap<(String, String), LocalNode>);

struct LocalNode {
    node: Node,
    /// When the node expires without a renewal.
    until: Option<Instant>,
    /// Subjects on which our own announcement came back: later announcements of other instances are newer.
    heard: BTreeSet<String>,
    /// The address of a newer instance with the id.
    taken: Option<String>,
}

fn key(node: &Node) -> (String, String) {
    (node.service.clone(), node.id.clone())
}

impl LocalNodes {
    /// Answers for a node from now on.
    pub(super) fn keep(&mut self, node: &Node, ttl: Option<Duration>) {
        let until = ttl.map(|ttl| Instant::now() + ttl);
        let before = self.0.remove(&key(node));
        let before = before.filter(|kept| kept.node.address == node.address);
        let before = before.filter(|kept| kept.taken.is_none());
        let kept = LocalNode {
            node: node.clone(),
            until,
            heard: before.map(|kept| kept.heard).unwrap_or_default(),
            taken: None,
        };
        self.0.insert(key(node), kept);
    }

    /// Renews a node.
    pub(super) fn renew(&mut self, node: &Node, ttl: Option<Duration>) {
        if let Some(kept) = self.0.get_mut(&key(node)) {
            kept.until = ttl.map(|ttl| Instant::now() + ttl);
        }
    }

    /// Stops answering for a node.
    pub(super) fn forget(&mut self, node: &Node) {
        self.0.remove(&key(node));
    }

    /// Whether another instance has taken over the id of our node.
    pub(super) fn is_taken(&self, node: &Node) -> bool {
        let kept = self.0.get(&key(node));
        kept.is_some_and(|kept| kept.node.address == node.address && kept.taken.is_some())
    }

    /// The nodes that we answer for.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let kept = self.0.values().filter(|kept| kept.taken.is_none());
        kept.map(|kept| &kept.node)
    }

    /// When the next node expires.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|kept| kept.until).min()
    }

    /// Removes expired nodes. Returns those that we answered for.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Node> {
        let mut due = Vec::new();
        self.0.retain(|_, kept| {
            let is_due = kept.until.is_some_and(|until| until <= now);
            if is_due && kept.taken.is_none() {
                due.push(kept.node.clone());
            }
            !is_due
        });
        due
    }

    /// Handles the announcement of a node on a subject.
    pub(super) fn here(&mut self, node: &Node, subject: &str) {
        let Some(kept) = self.0.get_mut(&key(node)) else {
            return;
        };
        if !is_another(node, &kept.node.address) {
            kept.heard.insert(subject.to_owned());
        } else if kept.taken.is_some() || kept.heard.contains(subject) {
            kept.taken = Some(node.address.clone());
        }
    }

    /// Handles the delete of a node. Returns our node if it has the same id and stays registered.
    pub(super) fn gone(&mut self, node: &Node) -> Option<Node> {
        let kept = self.0.get_mut(&key(node))?;
        if !is_another(node, &kept.node.address) && kept.taken.is_none() {
            // Another process may have deregistered it.
            self.0.remove(&key(node));
            return None;
        }
        if let Some(taken) = &kept.taken {
            if is_another(node, taken) {
                return None;
            }
            kept.taken = None;
            kept.heard.clear();
        }
        Some(kept.node.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Node {
        Node::new("a", "1", address)
    }

    #[test]
    fn only_a_later_instance_takes_an_id_over() {
        let mut own = LocalNodes::default();
        own.keep(&at("h:1"), None);
        own.here(&at("h:2"), "watch");
        assert_eq!(own.nodes().count(), 1, "it may have been there before");
        own.here(&at("h:1"), "watch");
        own.here(&at("h:2"), "other");
        assert!(!own.is_taken(&at("h:1")), "not heard there yet");
        own.here(&at("h:2"), "watch");
        assert!(own.is_taken(&at("h:1")));
        assert_eq!(own.nodes().count(), 0);
        assert_eq!(own.gone(&at("h:3")), None);
        assert_eq!(own.gone(&at("h:2")), Some(at("h:1")), "it is ours again");
        assert_eq!(own.nodes().count(), 1);
    }

    #[test]
    fn delete_of_another_instance_keeps_our_node() {
        let mut own = LocalNodes::default();
        own.keep(&at("h:1"), None);
        assert_eq!(own.gone(&at("h:2")), Some(at("h:1")), "said again");
        assert_eq!(own.gone(&at("")), None);
        assert_eq!(own.nodes().count(), 0, "without an address it is any");
    }
}
