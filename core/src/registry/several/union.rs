//! The union of several watches.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::joined;
use crate::{error::Error, node::Node, registry::Update};

/// The last update of each registry, and the updates still to report.
pub(super) struct Union {
    /// The service; `None` for all.
    service: Option<String>,
    parts: Vec<Part>,
    said: BTreeMap<String, (Vec<Arc<Node>>, bool)>,
    /// Whether the last report was that no registry can be reached.
    lost: bool,
    pending: VecDeque<Update>,
}

/// One registry.
struct Part {
    name: String,
    /// Whether it has reported its nodes.
    heard: bool,
    /// Since when it cannot be reached, and why.
    stale: Option<(Instant, Error)>,
    sets: BTreeMap<String, ServiceNodes>,
}

/// The nodes of one service in one registry.
#[derive(Default)]
struct ServiceNodes {
    nodes: Vec<Arc<Node>>,
    authoritative: bool,
    /// Whether it ever had a node, which an empty set removes.
    had: bool,
}

impl Union {
    /// Creates a union of registries with these names, before their first updates.
    pub(super) fn new(service: Option<&str>, names: impl Iterator<Item = String>) -> Self {
        let part = |name| Part {
            name,
            heard: false,
            stale: None,
            sets: BTreeMap::new(),
        };
        Union {
            service: service.map(str::to_owned),
            parts: names.map(part).collect(),
            said: BTreeMap::new(),
            lost: false,
            pending: VecDeque::new(),
        }
    }

    /// The next update to report, if any.
    pub(super) fn next(&mut self) -> Option<Update> {
        self.pending.pop_front()
    }

    /// Handles an update of one of the registries.
    pub(super) fn hear(&mut self, index: usize, update: Update) {
        match update {
            Update::Set {
                service,
                nodes,
                authoritative,
            } => {
                self.take(index, &service, nodes, authoritative);
                self.say(service);
            }
            Update::Stale { since, error } => {
                let now = Instant::now();
                let since = now.checked_sub(since).unwrap_or(now);
                self.parts[index].stale = Some((since, error));
                match self.service.clone() {
                    _ if self.parts.iter().all(|part| part.stale.is_some()) => self.lose(),
                    Some(service) if !self.said.contains_key(&service) => self.say(service),
                    _ => {}
                }
            }
        }
    }

    fn take(&mut self, index: usize, service: &str, nodes: Vec<Arc<Node>>, authoritative: bool) {
        let part = &mut self.parts[index];
        part.heard = true;
        part.stale = None;
        let set = part.sets.entry(service.to_owned()).or_default();
        let has = |id: &str| nodes.iter().any(|node| node.id == id);
        let gone = set
            .nodes
            .iter()
            .map(|node| node.id.as_str())
            .filter(|id| !has(id));
        // A registry that shows nothing may have lost its data.
        let gone: Vec<String> = match nodes.is_empty() && !authoritative {
            true => Vec::new(),
            false => gone.map(str::to_owned).collect(),
        };
        set.had |= !nodes.is_empty();
        (set.nodes, set.authoritative) = (nodes, authoritative);
        if gone.is_empty() {
            return;
        }
        // A node that leaves deregisters everywhere, though some registries cannot report that now.
        for part in self.parts.iter_mut().filter(|part| part.stale.is_some()) {
            if let Some(set) = part.sets.get_mut(service) {
                set.nodes.retain(|node| !gone.contains(&node.id));
            }
        }
    }

    /// Reports the nodes of a service, if they have changed and are known.
    fn say(&mut self, service: String) {
        let sets = |stale: bool| {
            let parts = self
                .parts
                .iter()
                .filter(move |part| part.stale.is_some() == stale);
            parts.filter_map(|part| part.sets.get(&service))
        };
        let shown = of(sets(true)
            .chain(sets(false))
            .map(|set| set.nodes.as_slice()));
        // A registry without any nodes reports no services, and is not waited for.
        if shown.is_empty() && self.service.is_some() {
            let mut unheard = self.parts.iter().filter(|part| !part.heard);
            if unheard.clone().any(|part| part.stale.is_none()) {
                // Its first update is about to come.
                return;
            }
            if unheard.next().is_some() {
                return self.lose();
            }
        }
        let had = |part: &&Part| part.sets.get(&service).is_some_and(|set| set.had);
        let mut holders = self.parts.iter().filter(had).peekable();
        let reached = self.parts.iter().all(|part| part.stale.is_none());
        let authoritative = match shown.is_empty() {
            true => {
                reached
                    && holders.peek().is_some()
                    && holders.all(|part| part.sets[&service].authoritative)
            }
            false => true,
        };
        let known = self.said.get(&service);
        let same = known.is_some_and(|(nodes, was)| *nodes == shown && *was == authoritative);
        // A watch of all reports no service without nodes.
        let is_over = shown.is_empty() && self.service.is_none();
        let never = known.is_none() && is_over;
        if is_over {
            // Nor is one kept: names come and go for as long as all are watched.
            for part in &mut self.parts {
                part.sets.remove(&service);
            }
        }
        if never || same && !self.lost {
            return;
        }
        self.lost = false;
        if is_over {
            self.said.remove(&service);
        } else {
            self.said
                .insert(service.clone(), (shown.clone(), authoritative));
        }
        self.pending.push_back(Update::Set {
            service,
            nodes: shown,
            authoritative,
        });
    }

    /// Reports that no registry can be reached, and why.
    fn lose(&mut self) {
        self.lost = true;
        let stale = || {
            let parts = self.parts.iter();
            parts.filter_map(|part| Some((part.name.as_str(), part.stale.as_ref()?)))
        };
        // The last update of any of them is not older than its loss.
        let since = stale().map(|(_, (at, _))| *at).max();
        let error = joined(stale().map(|(name, (_, error))| (name, error)));
        if let (Some(since), Some(error)) = (since, error) {
            let since = since.elapsed();
            self.pending.push_back(Update::Stale { since, error });
        }
    }
}

/// Each node once, by id; of two records, that of the later set.
pub(super) fn of<'a, N: Borrow<Node> + Clone + 'a>(sets: impl Iterator<Item = &'a [N]>) -> Vec<N> {
    let nodes = sets.flatten().map(|node| (node.borrow().id.as_str(), node));
    let nodes: BTreeMap<_, _> = nodes.collect();
    nodes.into_values().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn union(service: Option<&str>) -> Union {
        Union::new(service, ["old", "new"].map(str::to_owned).into_iter())
    }

    fn set(ids: &[&str], authoritative: bool) -> Update {
        let nodes = ids
            .iter()
            .map(|id| Arc::new(Node::new("a", &id[..1], format!("h:{id}"))));
        Update::Set {
            service: "a".into(),
            nodes: nodes.collect(),
            authoritative,
        }
    }

    fn stale(why: &'static str) -> Update {
        Update::Stale {
            since: std::time::Duration::from_secs(1),
            error: Error::unavailable(why),
        }
    }

    /// The addresses in an update, or the error.
    fn said(union: &mut Union, index: usize, update: Update) -> Vec<String> {
        union.hear(index, update);
        std::iter::from_fn(|| union.next())
            .map(|update| match update {
                Update::Set {
                    nodes,
                    authoritative,
                    ..
                } => {
                    let addresses: Vec<_> =
                        nodes.iter().map(|node| node.address.as_str()).collect();
                    format!("{} {authoritative}", addresses.join(","))
                }
                Update::Stale { error, .. } => error.message().to_owned(),
            })
            .collect()
    }

    #[tokio::test]
    async fn node_in_both_is_reported_once_as_the_later_has_it() {
        let mut union = union(Some("a"));
        assert_eq!(said(&mut union, 1, set(&["1b"], true)), ["h:1b true"]);
        assert_eq!(
            said(&mut union, 0, set(&["1a", "2"], true)),
            ["h:1b,h:2 true"]
        );
        assert!(
            said(&mut union, 0, set(&["1c", "2"], true)).is_empty(),
            "the later counts"
        );
        said(&mut union, 1, stale("down"));
        assert_eq!(
            said(&mut union, 0, set(&["1d", "2"], true)),
            ["h:1d,h:2 true"],
            "it is reached"
        );
    }

    #[tokio::test]
    async fn empty_set_is_reported_only_when_all_have_answered() {
        let mut union = union(Some("a"));
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(said(&mut union, 1, set(&[], false)), [" false"]);
        let mut union = super::tests::union(Some("a"));
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(said(&mut union, 1, stale("down")), ["registry `new`: down"]);
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
    }

    #[tokio::test]
    async fn emptied_set_is_authoritative_if_all_that_had_nodes_agree() {
        let mut union = union(Some("a"));
        said(&mut union, 0, set(&[], false));
        said(&mut union, 1, set(&["1"], true));
        assert_eq!(
            said(&mut union, 1, set(&[], true)),
            [" true"],
            "the other had none"
        );
        said(&mut union, 0, set(&["1"], true));
        said(&mut union, 1, set(&["1"], true));
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(
            said(&mut union, 1, set(&[], true)),
            [" false"],
            "one has forgotten"
        );
    }

    #[tokio::test]
    async fn lost_registry_keeps_its_nodes_and_the_others_continue() {
        let mut union = union(Some("a"));
        said(&mut union, 0, set(&["1", "2"], true));
        said(&mut union, 1, set(&["2", "3"], true));
        assert!(said(&mut union, 0, stale("down")).is_empty());
        assert_eq!(
            said(&mut union, 1, set(&["3", "4"], true)),
            ["h:1,h:3,h:4 true"],
            "2 left both"
        );
        assert_eq!(
            said(&mut union, 1, stale("down too")),
            ["registry `old`: down; registry `new`: down too"]
        );
        assert_eq!(
            said(&mut union, 0, set(&["1", "2"], true)),
            ["h:1,h:2,h:3,h:4 true"]
        );
    }

    #[tokio::test]
    async fn recovery_is_reported_though_nothing_has_changed() {
        let mut union = union(Some("a"));
        said(&mut union, 0, set(&["1"], true));
        said(&mut union, 1, set(&["1"], true));
        said(&mut union, 0, stale("down"));
        said(&mut union, 1, stale("down"));
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
    }

    #[tokio::test]
    async fn watch_of_all_does_not_wait_for_an_empty_registry() {
        let mut union = union(None);
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
        assert_eq!(said(&mut union, 1, set(&[], true)), [" true"]);
    }

    #[tokio::test]
    async fn watch_of_all_skips_services_without_nodes() {
        let mut union = union(None);
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
        assert_eq!(said(&mut union, 1, set(&[], true)), [" true"]);
        assert!(said(&mut union, 1, set(&[], true)).is_empty());
        let kept = union.parts.iter().map(|part| part.sets.len());
        assert_eq!(kept.sum::<usize>(), 0, "and keeps nothing of them");
    }
}
