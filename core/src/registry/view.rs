//! Watches from snapshots: a registry publishes a [`View`] at each change, from which a [`WatchCursor`] makes the updates
//! of one watch.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::time::Instant;

use super::{Update, Updates};
use crate::{error::Error, node::Node};

/// A snapshot of a registry. Cheap to clone, since clones share the sets.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct View {
    /// The nodes of each service, by its name.
    pub services: BTreeMap<String, Arc<NodeSet>>,
    /// Since when the registry cannot be reached, and why.
    pub stale: Option<(Instant, Error)>,
}

/// The nodes of one service. A service whose last node is known to have left is not in the view at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeSet {
    /// All nodes.
    pub nodes: Vec<Arc<Node>>,
    /// Whether an empty set means that there are no nodes; see [`Update::Set`].
    pub authoritative: bool,
}

impl NodeSet {
    /// Creates a set. Nodes with equal endpoints or metadata share them.
    pub fn new(nodes: impl IntoIterator<Item = Node>, authoritative: bool) -> Self {
        let nodes = nodes.into_iter().map(Arc::new);
        NodeSet::from_shared(nodes.collect(), authoritative)
    }

    /// Creates a set of nodes that other sets hold, too; those are not changed.
    pub fn from_shared(mut nodes: Vec<Arc<Node>>, authoritative: bool) -> Self {
        for index in 1..nodes.len() {
            let (before, node) = nodes.split_at_mut(index);
            // A node that is known elsewhere shares already.
            if let Some(node) = Arc::get_mut(&mut node[0]) {
                share(&before[index - 1], node);
            }
        }
        NodeSet {
            nodes,
            authoritative,
        }
    }
}

/// Nodes of one version mostly have equal endpoints and metadata: they share one list and one map.
fn share(known: &Node, node: &mut Node) {
    if !Arc::ptr_eq(&known.endpoints, &node.endpoints) && known.endpoints == node.endpoints {
        node.endpoints = known.endpoints.clone();
    }
    if !Arc::ptr_eq(&known.metadata, &node.metadata) && known.metadata == node.metadata {
        node.metadata = known.metadata.clone();
    }
}

/// The position of one watch: the sets reported so far, and the updates still to report.
///
/// A watch takes [`next_update`](WatchCursor::next_update) until there is none, then waits for a new view and observes it.
/// The cursor therefore never holds more than one update of a service.
///
/// ```
/// use std::sync::Arc;
/// use micro_core::{
///     node::Node,
///     registry::{Update, view::{NodeSet, View, WatchCursor}},
/// };
///
/// let mut view = View::default();
/// let nodes = NodeSet::new([Node::new("greeter", "greeter-1", "10.0.0.1:80")], true);
/// view.services.insert("greeter".into(), Arc::new(nodes));
///
/// let mut cursor = WatchCursor::new(Some("greeter"));
/// cursor.observe(&view);
/// assert!(matches!(cursor.next_update(), Some(Update::Set { nodes, .. }) if nodes.len() == 1));
/// cursor.observe(&view);
/// assert!(cursor.next_update().is_none());
/// ```
pub struct WatchCursor {
    /// The service; `None` for all.
    service: Option<String>,
    said: BTreeMap<String, Arc<NodeSet>>,
    pending: VecDeque<Update>,
    begun: bool,
    /// Whether the last report was that the registry cannot be reached.
    lost: bool,
}

impl WatchCursor {
    /// Creates the cursor of a watch of one service, or of all.
    pub fn new(service: Option<&str>) -> Self {
        WatchCursor {
            service: service.map(str::to_owned),
            said: BTreeMap::new(),
            pending: VecDeque::new(),
            begun: false,
            lost: false,
        }
    }

    /// Returns the next update to report, if there is one.
    pub fn next_update(&mut self) -> Option<Update> {
        self.pending.pop_front()
    }

    /// Compares a view with what was reported, and queues the differences. After an outage every set is queued, since a set
    /// ends the outage for watchers.
    pub fn observe(&mut self, view: &View) {
        if let Some((since, error)) = &view.stale {
            self.pending.push_back(Update::Stale {
                since: since.elapsed(),
                error: error.clone(),
            });
            self.lost = true;
            return;
        }
        let again = std::mem::take(&mut self.lost);
        let gone: Vec<String> = self
            .said
            .keys()
            .filter(|name| !view.services.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if self
                .said
                .remove(&name)
                .is_some_and(|set| !set.nodes.is_empty())
            {
                self.say(
                    name,
                    &NodeSet {
                        nodes: Vec::new(),
                        authoritative: true,
                    },
                );
            }
        }
        match self.service.clone() {
            Some(name) => match view.services.get(&name) {
                Some(set) => self.compare(&name, set, again),
                None if again || !self.begun => self.say(name, &NodeSet::default()),
                None => {}
            },
            None => {
                for (name, set) in &view.services {
                    self.compare(name, set, again);
                }
            }
        }
        self.begun = true;
    }

    fn compare(&mut self, name: &str, set: &Arc<NodeSet>, again: bool) {
        let said = self.said.get(name);
        if !again && said.is_some_and(|said| Arc::ptr_eq(said, set) || said == set) {
            return;
        }
        self.said.insert(name.to_owned(), set.clone());
        self.say(name.to_owned(), set);
    }

    fn say(&mut self, service: String, set: &NodeSet) {
        self.pending.push_back(Update::Set {
            service,
            nodes: set.nodes.clone(),
            authoritative: set.authoritative,
        });
    }
}

/// A stream of updates: `step` takes the state, and returns it with the next update.
pub fn updates<S, F, Fut>(state: S, step: F) -> Updates
where
    S: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = (S, Update)> + Send + 'static,
{
    Box::pin(Steps {
        state: Some(state),
        step,
        running: None,
    })
}

struct Steps<S, F, Fut> {
    state: Option<S>,
    step: F,
    running: Option<Pin<Box<Fut>>>,
}

// The only part that must not move is boxed.
impl<S, F, Fut> Unpin for Steps<S, F, Fut> {}

impl<S, F, Fut> Stream for Steps<S, F, Fut>
where
    F: FnMut(S) -> Fut,
    Fut: Future<Output = (S, Update)>,
{
    type Item = Update;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        let this = self.get_mut();
        if let Some(state) = this.state.take() {
            this.running = Some(Box::pin((this.step)(state)));
        }
        let Some(running) = &mut this.running else {
            return Poll::Ready(None);
        };
        let Poll::Ready((state, update)) = running.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        this.running = None;
        this.state = Some(state);
        Poll::Ready(Some(update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(sets: &[(&str, &[&str])]) -> View {
        let mut view = View::default();
        for (name, ids) in sets {
            let set = NodeSet::new(ids.iter().map(|id| Node::new(*name, *id, "h:1")), true);
            view.services.insert((*name).to_owned(), Arc::new(set));
        }
        view
    }

    fn said(cursor: &mut WatchCursor) -> Vec<String> {
        std::iter::from_fn(|| cursor.next_update())
            .map(|update| match update {
                Update::Set {
                    service,
                    nodes,
                    authoritative,
                } => {
                    let ids: Vec<_> = nodes.iter().map(|node| node.id.as_str()).collect();
                    format!("{service} {} {authoritative}", ids.join(","))
                }
                Update::Stale { error, .. } => error.message().to_owned(),
            })
            .collect()
    }

    #[test]
    fn unknown_service_is_empty_once_and_not_authoritative() {
        let mut cursor = WatchCursor::new(Some("a"));
        cursor.observe(&view(&[("b", &["1"])]));
        assert_eq!(said(&mut cursor), ["a  false"]);
        cursor.observe(&view(&[]));
        assert!(said(&mut cursor).is_empty());
    }

    #[test]
    fn removed_service_is_emptied_with_authority() {
        let mut cursor = WatchCursor::new(None);
        cursor.observe(&view(&[("a", &["1"]), ("b", &["2", "3"])]));
        assert_eq!(said(&mut cursor), ["a 1 true", "b 2,3 true"]);
        cursor.observe(&view(&[("a", &["1"])]));
        assert_eq!(said(&mut cursor), ["b  true"]);
    }

    #[test]
    fn equal_nodes_share_their_lists() {
        let node = |id: &str, zone: &str| Node::new("a", id, "h:1").with_metadata("zone", zone);
        let set = NodeSet::new([node("1", "x"), node("2", "x"), node("3", "y")], true);
        let shared =
            |a: usize, b: usize| Arc::ptr_eq(&set.nodes[a].metadata, &set.nodes[b].metadata);
        assert!(shared(0, 1) && !shared(1, 2));
    }

    #[test]
    fn equal_set_is_not_reported_again() {
        let mut cursor = WatchCursor::new(Some("a"));
        cursor.observe(&view(&[("a", &["1"])]));
        cursor.observe(&view(&[("a", &["1"])]));
        assert_eq!(said(&mut cursor), ["a 1 true"]);
    }

    #[test]
    fn stale_view_is_reported_and_the_next_set_as_well() {
        let mut cursor = WatchCursor::new(None);
        cursor.observe(&view(&[("a", &["1"])]));
        let stale = View {
            stale: Some((Instant::now(), Error::unavailable("no disk"))),
            ..View::default()
        };
        cursor.observe(&stale);
        for _ in 0..2 {
            cursor.observe(&view(&[("a", &["1"])]));
        }
        assert_eq!(said(&mut cursor), ["a 1 true", "no disk", "a 1 true"]);
    }
}
