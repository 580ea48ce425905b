//! What several watches say, as one.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::joined;
use crate::{error::Error, node::Node, registry::Update};

/// What each registry said last, and what is still to be said of it.
pub(super) struct Union {
    /// `None` watches all.
    service: Option<String>,
    parts: Vec<Part>,
    said: BTreeMap<String, (Vec<Arc<Node>>, bool)>,
    /// Whether the last word was that nothing can be known.
    lost: bool,
    pending: VecDeque<Update>,
}

/// One registry.
struct Part {
    name: String,
    /// Whether it has said what it has.
    heard: bool,
    /// Since when it cannot be reached, and why.
    stale: Option<(Instant, Error)>,
    sets: BTreeMap<String, Said>,
}

/// The nodes of one service, as one registry has them.
#[derive(Default)]
struct Said {
    nodes: Vec<Arc<Node>>,
    authoritative: bool,
    /// Whether there was ever a node that an empty set takes away.
    had: bool,
}

impl Union {
    /// Of registries of these names, that have said nothing yet.
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

    /// The next thing to say, if anything.
    pub(super) fn next(&mut self) -> Option<Update> {
        self.pending.pop_front()
    }

    /// Takes in what one of the registries says.
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
        // One that merely shows nothing may have forgotten.
        let gone: Vec<String> = match nodes.is_empty() && !authoritative {
            true => Vec::new(),
            false => gone.map(str::to_owned).collect(),
        };
        set.had |= !nodes.is_empty();
        (set.nodes, set.authoritative) = (nodes, authoritative);
        if gone.is_empty() {
            return;
        }
        // Who leaves one leaves all, of which some cannot say so now.
        for part in self.parts.iter_mut().filter(|part| part.stale.is_some()) {
            if let Some(set) = part.sets.get_mut(service) {
                set.nodes.retain(|node| !gone.contains(&node.id));
            }
        }
    }

    /// Says what there is of a service, if that is new and can be known.
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
        // One that has nothing at all says nothing of all services, and is not waited for there.
        if shown.is_empty() && self.service.is_some() {
            let mut unheard = self.parts.iter().filter(|part| !part.heard);
            if unheard.clone().any(|part| part.stale.is_none()) {
                // It is about to tell.
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
        // Of a service that nobody asked for by name nothing is said while it has no nodes.
        let is_over = shown.is_empty() && self.service.is_none();
        let never = known.is_none() && is_over;
        if is_over {
            // Nor is anything kept: names come and go for as long as all are watched.
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

    /// Says that nothing can be known, and why.
    fn lose(&mut self) {
        self.lost = true;
        let stale = || {
            let parts = self.parts.iter();
            parts.filter_map(|part| Some((part.name.as_str(), part.stale.as_ref()?)))
        };
        // What the last of them said is not older than its loss.
        let since = stale().map(|(_, (at, _))| *at).max();
        let error = joined(stale().map(|(name, (_, error))| (name, error)));
        if let (Some(since), Some(error)) = (since, error) {
            let since = since.elapsed();
            self.pending.push_back(Update::Stale { since, error });
        }
    }
}

/// Each node once, by id; of two records that of the later set.
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

    /// The addresses of all that is said, or why it cannot be.
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
    async fn a_node_in_both_is_shown_once_as_the_later_has_it() {
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
    async fn nothing_is_said_to_be_empty_before_all_have_told() {
        let mut union = union(Some("a"));
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(said(&mut union, 1, set(&[], false)), [" false"]);
        let mut union = super::tests::union(Some("a"));
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(said(&mut union, 1, stale("down")), ["registry `new`: down"]);
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
    }

    #[tokio::test]
    async fn an_emptied_set_is_believed_when_all_that_had_nodes_say_so() {
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
    async fn one_that_is_lost_keeps_what_it_said_and_the_others_go_on() {
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
    async fn a_recovery_is_said_though_nothing_has_changed() {
        let mut union = union(Some("a"));
        said(&mut union, 0, set(&["1"], true));
        said(&mut union, 1, set(&["1"], true));
        said(&mut union, 0, stale("down"));
        said(&mut union, 1, stale("down"));
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
    }

    #[tokio::test]
    async fn a_watch_of_all_waits_for_nobody_who_has_nothing() {
        let mut union = union(None);
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
        assert_eq!(said(&mut union, 1, set(&[], true)), [" true"]);
    }

    #[tokio::test]
    async fn a_watch_of_all_is_silent_of_services_without_nodes() {
        let mut union = union(None);
        assert!(said(&mut union, 0, set(&[], false)).is_empty());
        assert_eq!(said(&mut union, 1, set(&["1"], true)), ["h:1 true"]);
        assert_eq!(said(&mut union, 1, set(&[], true)), [" true"]);
        assert!(said(&mut union, 1, set(&[], true)).is_empty());
        let kept = union.parts.iter().map(|part| part.sets.len());
        assert_eq!(kept.sum::<usize>(), 0, "and keeps nothing of them");
    }
}
