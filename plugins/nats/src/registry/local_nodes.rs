//! Our own nodes: those that this process answers for, and those whose ids other instances have taken over.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use micro_core::{node::Node, registry::is_another};

/// By service and id.
#[derive(Default)]
pub(super) struct LocalNodes(BTreeMap<(String, String), LocalNode>);

struct LocalNode {
    node: Node,
    /// When it is to be renewed by.
    until: Option<Instant>,
    /// The subjects on which we heard ourselves say that it is here: who says so after us is newer.
    heard: BTreeSet<String>,
    /// The address of a newer instance that has its id.
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

    /// Puts off the end of a node that we answer for.
    pub(super) fn renew(&mut self, node: &Node, ttl: Option<Duration>) {
        if let Some(kept) = self.0.get_mut(&key(node)) {
            kept.until = ttl.map(|ttl| Instant::now() + ttl);
        }
    }

    /// Answers for a node no more.
    pub(super) fn forget(&mut self, node: &Node) {
        self.0.remove(&key(node));
    }

    /// Whether another instance has taken over the id of a node of ours.
    pub(super) fn is_taken(&self, node: &Node) -> bool {
        let kept = self.0.get(&key(node));
        kept.is_some_and(|kept| kept.node.address == node.address && kept.taken.is_some())
    }

    /// The nodes that we answer for.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let kept = self.0.values().filter(|kept| kept.taken.is_none());
        kept.map(|kept| &kept.node)
    }

    /// When the next node is to be renewed by.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|kept| kept.until).min()
    }

    /// Takes out the nodes that were not renewed in time; returns those that we answered for.
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

    /// Takes in that a node is here, as its process says on a subject.
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

    /// Takes in that a node is gone. Returns ours if that is another instance with the same id, and it is here.
    pub(super) fn gone(&mut self, node: &Node) -> Option<Node> {
        let kept = self.0.get_mut(&key(node))?;
        if !is_another(node, &kept.node.address) && kept.taken.is_none() {
            // Somebody else may have deregistered it.
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
