//! The nodes shown after each report of a server; [`Reconciler`](super::Reconciler) has the reasons.

use std::{
    collections::{BTreeMap, HashSet, btree_map},
    sync::Arc,
};

use super::{change::Change, suspects::SuspectSet};
use crate::{
    node::Node,
    registry::view::{NodeSet, View},
};

/// The nodes shown.
#[derive(Default)]
pub(super) struct State {
    pub(super) view: View,
    pub(super) suspects: SuspectSet,
    /// Whether the server responded since it was last asked.
    pub(super) heard: bool,
}

impl State {
    fn nodes(&self, service: &str) -> Vec<Arc<Node>> {
        self.view
            .services
            .get(service)
            .map(|set| set.nodes.clone())
            .unwrap_or_default()
    }

    /// Sets all the nodes of a service after a loss: shown nodes that are missing become suspect.
    pub(super) fn again(&mut self, service: String, mut nodes: Vec<Arc<Node>>) {
        let found: HashSet<String> = nodes.iter().map(|node| node.id.clone()).collect();
        for node in self.nodes(&service) {
            if found.contains(&node.id) {
                self.suspects.end(&service, &node.id);
            } else {
                self.suspects.miss(&service, &node.id);
                nodes.push(node);
            }
        }
        self.put_or_remove(service, nodes);
    }

    /// Sets all the nodes of a service: missing ones were removed, unless the server did not have them to begin with.
    pub(super) fn set(&mut self, service: &str, nodes: Vec<Arc<Node>>, expired: Vec<Arc<Node>>) {
        let mut shown = nodes;
        for node in &shown {
            self.suspects.end(service, &node.id);
        }
        let before = self.nodes(service);
        let known: HashSet<&str> = before.iter().map(|node| &*node.id).collect();
        for node in expired {
            // A node that was never seen alive is not shown.
            if known.contains(&*node.id) {
                self.suspects.expire(service, &node.id);
                shown.push(node);
            }
        }
        let left: HashSet<String> = shown.iter().map(|node| node.id.clone()).collect();
        for node in before.into_iter().filter(|node| !left.contains(&node.id)) {
            match self.suspects.is_missing(service, &node.id) {
                true => shown.push(node),
                false => self.suspects.end(service, &node.id),
            }
        }
        self.put_or_remove(service.to_owned(), shown);
    }

    /// Ends the suspicion of a node that is due. An expired node is removed if another of its service was renewed meanwhile.
    pub(super) fn settle(&mut self, key: &(String, String)) {
        let (service, id) = key;
        let mut nodes = self.nodes(service);
        let renewed = nodes
            .iter()
            .any(|node| !self.suspects.has(service, &node.id));
        if !renewed && self.suspects.prolong(key) {
            return;
        }
        self.suspects.end(service, id);
        nodes.retain(|node| node.id != *id);
        self.put_set(service.clone(), nodes);
    }

    pub(super) fn apply(&mut self, service: String, changes: Vec<Change>) {
        let before = self.nodes(&service).into_iter();
        let mut nodes: BTreeMap<String, Arc<Node>> =
            before.map(|node| (node.id.clone(), node)).collect();
        let mut is_emptied = false;
        for change in changes {
            match change {
                Change::Put(node) => {
                    self.suspects.end(&service, &node.id);
                    nodes.insert(node.id.clone(), Arc::new(node));
                }
                Change::Gone { id, .. } => {
                    nodes.remove(&id);
                    is_emptied = nodes.is_empty();
                    self.suspects.end(&service, &id);
                }
                Change::Expired { id, .. } if nodes.contains_key(&id) => {
                    self.suspects.expire(&service, &id);
                }
                Change::Expired { .. } => {}
            }
        }
        if !nodes.is_empty() {
            self.put_set(service, nodes.into_values().collect());
        } else if is_emptied {
            self.view.services.remove(&service);
        }
    }

    fn put_or_remove(&mut self, service: String, nodes: Vec<Arc<Node>>) {
        match nodes.is_empty() {
            true => drop(self.view.services.remove(&service)),
            false => self.put_set(service, nodes),
        }
    }

    /// Publishes a set that differs; an empty one is not authoritative.
    fn put_set(&mut self, service: String, mut nodes: Vec<Arc<Node>>) {
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes.dedup_by(|later, first| later.id == first.id);
        let authoritative = !nodes.is_empty();
        let set = NodeSet::from_shared(nodes, authoritative);
        match self.view.services.entry(service) {
            btree_map::Entry::Occupied(mut entry) if **entry.get() != set => {
                drop(entry.insert(Arc::new(set)))
            }
            btree_map::Entry::Occupied(_) => {}
            btree_map::Entry::Vacant(entry) => drop(entry.insert(Arc::new(set))),
        }
    }
}
