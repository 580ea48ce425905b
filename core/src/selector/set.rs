//! [`Set`], a snapshot with a value for each node.

use std::{collections::BTreeMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{Filter, fleet::Fleet, load::Load, snapshot::Snapshot, weights::VersionWeights};
use crate::{error::Result, node::Node};

/// Filtered sets kept for one snapshot; beyond it the oldest is made again when needed.
const FILTERED: usize = 64;

/// A [`Snapshot`] with a value for each node, such as its peer. Immutable, replaced as a whole.
///
/// A node that stays keeps its [`Load`] and its value in the next set.
pub struct Set<P> {
    snapshot: Snapshot,
    slots: Box<[P]>,
    versions: Arc<VersionWeights>,
    filtered: ArcSwap<Filtered<P>>,
    /// Locked while a filter is evaluated, which happens once for each filter and set.
    filtering: Mutex<()>,
}

/// Filtered sets by their filter's key, the oldest first.
type Filtered<P> = Vec<(Box<str>, Arc<Set<P>>)>;

/// A node with its load and value.
struct Part<P> {
    node: Arc<Node>,
    load: Arc<Load>,
    slot: P,
}

/// The result of replacing a set's nodes.
pub(super) struct Next<P> {
    pub(super) set: Set<P>,
    /// The values of the nodes that left.
    pub(super) retired: Vec<P>,
    /// Nodes left out, since no value could be created for them.
    pub(super) refused: Vec<(Arc<Node>, crate::error::Error)>,
}

impl<P: Clone> Set<P> {
    pub(super) fn empty(fleet: &Arc<Fleet>, now: u64) -> Self {
        Self::assemble(Vec::new(), Arc::default(), fleet, now)
    }

    /// Creates a set of nodes that do not come from a registry, each with a load of `fleet`.
    pub(crate) fn given(
        nodes: Vec<(Arc<Node>, Arc<Load>, P)>,
        fleet: &Arc<Fleet>,
        now: u64,
    ) -> Self {
        let parts = nodes.into_iter();
        let parts = parts.map(|(node, load, slot)| Part { node, load, slot });
        Self::assemble(parts.collect(), Arc::default(), fleet, now)
    }

    fn assemble(
        parts: Vec<Part<P>>,
        versions: Arc<VersionWeights>,
        fleet: &Arc<Fleet>,
        now: u64,
    ) -> Self {
        let nodes = parts
            .iter()
            .map(|part| (part.node.clone(), part.load.clone()));
        let (snapshot, order) = Snapshot::new(nodes.collect(), &versions, fleet, now);
        let slots = order.iter().map(|index| parts[*index].slot.clone());
        Set {
            slots: slots.collect(),
            snapshot,
            versions,
            filtered: ArcSwap::default(),
            filtering: Mutex::default(),
        }
    }

    /// Returns the nodes to pick from.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns the values, in the order of the snapshot.
    pub fn slots(&self) -> &[P] {
        &self.slots
    }

    /// Returns the value of the node with this index.
    pub fn slot(&self, index: usize) -> &P {
        &self.slots[index]
    }

    /// Returns the nodes that pass a filter. Evaluated once a set; then found by the filter's key without a lock.
    ///
    /// Version weights do not apply if only one version is left, since the caller asked for it.
    pub fn filtered(&self, filter: &dyn Filter) -> Arc<Set<P>> {
        let key = filter.key();
        if let Some(set) = find(&self.filtered.load(), key) {
            return set;
        }
        let _filtering = self.filtering.lock();
        let known = self.filtered.load();
        if let Some(set) = find(&known, key) {
            return set;
        }
        let set = Arc::new(self.filter(filter));
        let oldest = (known.len() + 1).saturating_sub(FILTERED);
        let mut next: Vec<_> = known[oldest..].to_vec();
        next.push((key.into(), set.clone()));
        self.filtered.store(Arc::new(next));
        set
    }

    fn filter(&self, filter: &dyn Filter) -> Set<P> {
        let mut parts = self.parts();
        parts.retain(|part| filter.keep(&part.node));
        let one_version = parts
            .windows(2)
            .all(|pair| pair[0].node.version == pair[1].node.version);
        let versions = match one_version {
            true => Arc::default(),
            false => self.versions.clone(),
        };
        Self::assemble(parts, versions, self.snapshot.fleet(), self.snapshot.now())
    }

    fn parts(&self) -> Vec<Part<P>> {
        let parts = self.snapshot.members().iter().zip(&self.slots);
        parts
            .map(|(member, slot)| Part {
                node: member.node.clone(),
                load: member.load.clone(),
                slot: slot.clone(),
            })
            .collect()
    }

    /// The same nodes with other version weights.
    pub(super) fn weighed(&self, versions: Arc<VersionWeights>, now: u64) -> Self {
        Self::assemble(self.parts(), versions, self.snapshot.fleet(), now)
    }

    /// The set of `nodes`; a node whose id, address and version are unchanged keeps its load and value.
    pub(super) fn next(
        &self,
        nodes: impl IntoIterator<Item = impl Into<Arc<Node>>>,
        now: u64,
        fill: &dyn Fn(&Arc<Node>) -> Result<P>,
    ) -> Next<P> {
        let fleet = self.snapshot.fleet();
        let mut before: BTreeMap<String, Part<P>> = self
            .parts()
            .into_iter()
            .map(|part| (part.node.id.clone(), part))
            .collect();
        let mut refused = Vec::new();
        let mut retired = Vec::new();
        let mut after: BTreeMap<String, Part<P>> = BTreeMap::new();
        for node in nodes {
            let node = node.into();
            let old = match before.remove(&node.id) {
                // Of two nodes with one id, the first counts.
                None if after.contains_key(&node.id) => continue,
                old => old,
            };
            if let Some(mut part) = old {
                if part.node.address == node.address && part.node.version == node.version {
                    if !Arc::ptr_eq(&part.node, &node) && part.node != node {
                        part.node = node;
                    }
                    after.insert(part.node.id.clone(), part);
                    continue;
                }
                retired.push(part.slot);
            }
            match fill(&node) {
                Ok(slot) => {
                    let load = Arc::new(Load::new(fleet, now));
                    after.insert(node.id.clone(), Part { node, load, slot });
                }
                Err(error) => refused.push((node, error)),
            }
        }
        retired.extend(before.into_values().map(|part| part.slot));
        let parts = after.into_values().collect();
        Next {
            set: Self::assemble(parts, self.versions.clone(), fleet, now),
            retired,
            refused,
        }
    }
}

fn find<P>(known: &[(Box<str>, Arc<Set<P>>)], key: &str) -> Option<Arc<Set<P>>> {
    let (_, set) = known.iter().find(|(other, _)| **other == *key)?;
    Some(set.clone())
}

impl<P> fmt::Debug for Set<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot.fmt(f)
    }
}
