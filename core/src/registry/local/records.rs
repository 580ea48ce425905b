//! The known records of a directory, by service.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    sync::Arc,
};

use super::{directory::Directory, record::Lifetime};
use crate::node::{Endpoint, Node};

/// The records that were alive when last read, and the services that changed since the last call.
#[derive(Debug, Default)]
pub(super) struct Records {
    files: HashMap<String, (String, Lifetime)>,
    /// By service and file name; the files of one node are consecutive, the newest last.
    services: BTreeMap<String, BTreeMap<String, Node>>,
    /// Shared by all nodes with the same endpoints.
    endpoints: HashSet<Arc<[Endpoint]>>,
    /// Whether each missing record was removed by a process, not by hand.
    changed: BTreeMap<String, bool>,
}

impl Records {
    /// Reads the whole directory. Missing records were removed by processes if `by_rule`.
    pub(super) fn scan(&mut self, directory: &Directory, by_rule: bool) -> io::Result<()> {
        let names = directory.names()?;
        let missing: Vec<String> = self
            .files
            .keys()
            .filter(|name| names.binary_search(name).is_err())
            .cloned()
            .collect();
        for name in missing {
            self.remove(&name, by_rule);
        }
        for name in &names {
            self.look(directory, name, true)?;
        }
        self.endpoints
            .retain(|shared| Arc::strong_count(shared) > 1);
        Ok(())
    }

    /// Reads one file. If it is missing, it was removed by a process if `by_rule`.
    pub(super) fn look(
        &mut self,
        directory: &Directory,
        name: &str,
        by_rule: bool,
    ) -> io::Result<()> {
        match directory.read(name)? {
            Some((node, hold)) => self.insert(name, node, hold),
            None => self.remove(name, by_rule),
        }
        Ok(())
    }

    /// Whether a living record with this name ends with its process.
    pub(super) fn is_mortal(&self, name: &str) -> bool {
        matches!(self.files.get(name), Some((_, Lifetime::Mortal)))
    }

    /// The nodes of a service: the newest record of each.
    pub(super) fn nodes(&self, service: &str) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for node in self
            .services
            .get(service)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            match nodes.last_mut() {
                Some(older) if older.id == node.id => *older = node.clone(),
                _ => nodes.push(node.clone()),
            }
        }
        nodes
    }

    /// The names of the services with nodes, sorted.
    pub(super) fn services(&self) -> Vec<String> {
        self.services.keys().cloned().collect()
    }

    /// The services that changed since the last call, and whether missing nodes were removed by processes.
    pub(super) fn take_changed(&mut self) -> BTreeMap<String, bool> {
        std::mem::take(&mut self.changed)
    }

    fn insert(&mut self, name: &str, mut node: Node, hold: Lifetime) {
        if let Some((service, known)) = self.files.get(name)
            && *known == hold
            && self.services.get(service).and_then(|nodes| nodes.get(name)) == Some(&node)
        {
            return;
        }
        self.remove(name, true);
        match self.endpoints.get(&node.endpoints) {
            Some(shared) => node.endpoints = shared.clone(),
            None => {
                self.endpoints.insert(node.endpoints.clone());
            }
        }
        let service = node.service.clone();
        self.changed.insert(service.clone(), true);
        self.files.insert(name.to_owned(), (service.clone(), hold));
        self.services
            .entry(service)
            .or_default()
            .insert(name.to_owned(), node);
    }

    fn remove(&mut self, name: &str, by_rule: bool) {
        let Some((service, _)) = self.files.remove(name) else {
            return;
        };
        if let Some(nodes) = self.services.get_mut(&service) {
            nodes.remove(name);
            if nodes.is_empty() {
                self.services.remove(&service);
            }
        }
        *self.changed.entry(service).or_insert(true) &= by_rule;
    }
}
