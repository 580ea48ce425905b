//! Decides which nodes to show, given what a server reports.
//!
//! A record that is removed while we watch is gone. A record that is merely missing may be missing because the server
//! lost its data, let it expire while nobody could renew it, or was read too early. Such a
//! node is suspect, and still shown: calls find out in a millisecond whether it is alive, while a living node that is
//! hidden gets no load until it has registered again.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{change::Change, state::State};
use crate::{
    error::Error,
    node::Node,
    registry::{
        validation::{Scope, accept},
        view::View,
    },
};

/// The nodes of one service, or of all, in one watch of a driver.
pub struct Reconciler {
    registry: String,
    scope: Scope,
    state: Mutex<State>,
    changed: Notify,
}

impl Reconciler {
    /// Creates an empty set for a registry of this name, with readers in `scope`.
    pub fn new(registry: &str, scope: Scope) -> Self {
        Reconciler {
            registry: registry.to_owned(),
            scope,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Sets all the nodes there are, at the start or after a loss. Nodes shown before that are not among
    /// them become suspect.
    pub fn whole(&self, nodes: impl IntoIterator<Item = Node>) {
        let mut sets: BTreeMap<String, Vec<Arc<Node>>> = BTreeMap::new();
        for node in nodes {
            if accept(&self.registry, &node, self.scope) {
                let set = sets.entry(node.service.clone()).or_default();
                set.push(Arc::new(node));
            }
        }
        self.change(|state| {
            for service in state.view.services.keys() {
                sets.entry(service.clone()).or_default();
            }
            for (service, nodes) in sets {
                state.again(service, nodes);
            }
        });
    }

    /// Sets all the nodes of one service after a loss, as [`Reconciler::whole`] does for all services.
    pub fn again(&self, service: &str, nodes: impl IntoIterator<Item = Node>) {
        let nodes = self.accepted(nodes);
        self.change(|state| state.again(service.to_owned(), nodes));
    }

    /// Sets all the nodes of one service, at a server that responded all along: missing ones were removed,
    /// except those that it did not have to begin with. `expired` are nodes that it still has and that were
    /// not renewed in time.
    pub fn set(
        &self,
        service: &str,
        nodes: impl IntoIterator<Item = Node>,
        expired: impl IntoIterator<Item = Node>,
    ) {
        let (nodes, expired) = (self.accepted(nodes), self.accepted(expired));
        self.change(|state| state.set(service, nodes, expired));
    }

    /// Adds a node that was registered, or registered again.
    pub fn put(&self, node: Node) {
        self.apply([Change::Put(node)]);
    }

    /// Removes a node that was removed at the server.
    pub fn gone(&self, service: &str, id: &str) {
        let (service, id) = (service.to_owned(), id.to_owned());
        self.apply([Change::Gone { service, id }]);
    }

    /// Handles a node that was not renewed in time. It is removed if others of its service were renewed within 3 s;
    /// otherwise the server may be at fault, and the node stays for 45 s.
    pub fn expired(&self, service: &str, id: &str) {
        let (service, id) = (service.to_owned(), id.to_owned());
        self.apply([Change::Expired { service, id }]);
    }

    /// Applies many changes, in their order; each service is copied once for all its changes.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let mut services: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in changes {
            let service = match &change {
                Change::Put(node) if !accept(&self.registry, node, self.scope) => continue,
                Change::Put(node) => &node.service,
                Change::Gone { service, .. } | Change::Expired { service, .. } => service,
            };
            services.entry(service.clone()).or_default().push(change);
        }
        if services.is_empty() {
            return;
        }
        self.change(|state| {
            for (service, changes) in services {
                state.apply(service, changes);
            }
        });
    }

    /// Whether the server has reported anything since it was asked.
    pub(super) fn is_heard(&self) -> bool {
        self.state.lock().heard
    }

    /// Records that the server is asked.
    pub(super) fn ask(&self) {
        self.state.lock().heard = false;
    }

    /// Records that the server is lost.
    pub(super) fn lose(&self, since: Instant, error: Error) {
        self.state.lock().view.stale = Some((since, error));
    }

    /// The present view.
    pub fn look(&self, with: impl FnOnce(&View)) {
        with(&self.state.lock().view);
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends the suspicions that are due, and returns when the next one is.
    pub(super) fn settle(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let due = state.suspects.due();
        for key in &due {
            state.settle(key);
        }
        let next = state.suspects.next();
        drop(state);
        if !due.is_empty() {
            self.changed.notify_one();
        }
        next
    }

    fn accepted(&self, nodes: impl IntoIterator<Item = Node>) -> Vec<Arc<Node>> {
        let accepted = |node: &Node| accept(&self.registry, node, self.scope);
        nodes.into_iter().filter(accepted).map(Arc::new).collect()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        state.heard = true;
        state.view.stale = None;
        change(&mut state);
        drop(state);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn node(id: &str) -> Node {
        Node::new("a", id, "h:1")
    }

    fn shown(ids: &[&str]) -> Reconciler {
        let shown = Reconciler::new("test", Scope::Machine);
        shown.whole(ids.iter().map(|id| node(id)));
        shown
    }

    /// The ids of service `a`, and whether the set is authoritative; `gone` if it is not in the view.
    fn ids(shown: &Reconciler) -> String {
        shown.settle();
        let mut said = String::from("gone");
        shown.look(|view| {
            if let Some(set) = view.services.get("a") {
                let ids: Vec<_> = set.nodes.iter().map(|node| node.id.as_str()).collect();
                said = format!("{} {}", ids.join(","), set.authoritative);
            }
        });
        said
    }

    async fn after(shown: &Reconciler, seconds: u64) -> String {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        ids(shown)
    }

    #[tokio::test(start_paused = true)]
    async fn removed_node_is_gone_at_once_with_authority() {
        let shown = shown(&["1", "2"]);
        shown.gone("a", "1");
        assert_eq!(ids(&shown), "2 true");
        shown.gone("a", "2");
        assert_eq!(ids(&shown), "gone");
    }

    #[tokio::test(start_paused = true)]
    async fn server_that_lost_its_data_gets_time() {
        let shown = shown(&["1", "2"]);
        shown.whole([]);
        assert_eq!(ids(&shown), "1,2 true");
        shown.put(node("2"));
        assert_eq!(after(&shown, 44).await, "1,2 true");
        assert_eq!(after(&shown, 2).await, "2 true");
        shown.whole([]);
        assert_eq!(after(&shown, 46).await, " false");
    }

    #[tokio::test(start_paused = true)]
    async fn node_that_expires_among_others_that_renew_is_gone() {
        let shown = shown(&["1", "2"]);
        shown.expired("a", "1");
        assert_eq!(after(&shown, 1).await, "1,2 true");
        assert_eq!(after(&shown, 3).await, "2 true");
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_that_expire_all_at_once_become_suspect() {
        let shown = shown(&["1", "2"]);
        shown.set("a", [], [node("1"), node("2")]);
        assert_eq!(after(&shown, 4).await, "1,2 true");
        assert_eq!(after(&shown, 36).await, "1,2 true");
        shown.put(node("1"));
        assert_eq!(after(&shown, 10).await, "1 true");
    }

    #[tokio::test(start_paused = true)]
    async fn set_removes_missing_nodes_and_shows_no_dead_one_at_the_start() {
        let shown = shown(&["1", "2"]);
        shown.set("a", [node("2")], [node("3")]);
        assert_eq!(ids(&shown), "2 true");
        shown.set("a", [], []);
        assert_eq!(ids(&shown), "gone");
    }

    #[tokio::test(start_paused = true)]
    async fn first_node_that_returns_does_not_replace_the_others() {
        let shown = shown(&["1", "2", "3"]);
        shown.again("a", []);
        shown.set("a", [node("1")], []);
        assert_eq!(ids(&shown), "1,2,3 true");
        shown.set("a", [node("2")], []);
        assert_eq!(ids(&shown), "2,3 true");
        assert_eq!(after(&shown, 46).await, "2 true");
    }

    #[tokio::test(start_paused = true)]
    async fn suspect_node_that_is_removed_is_gone() {
        let shown = shown(&["1"]);
        shown.whole([]);
        shown.gone("a", "1");
        assert_eq!(ids(&shown), "gone");
        assert_eq!(shown.settle(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_changes_apply_in_their_order() {
        let shown = shown(&["1", "2", "3"]);
        let (gone, expired) = (
            |id: &str| Change::Gone {
                service: "a".into(),
                id: id.into(),
            },
            |id: &str| Change::Expired {
                service: "a".into(),
                id: id.into(),
            },
        );
        let changes = [gone("1"), Change::Put(node("4")), gone("4"), expired("2")];
        shown.apply(changes);
        assert_eq!(ids(&shown), "2,3 true");
        assert_eq!(after(&shown, 4).await, "3 true");
        shown.apply([gone("3"), Change::Put(node("3"))]);
        assert_eq!(ids(&shown), "3 true");
        shown.apply([gone("3"), gone("5")]);
        assert_eq!(ids(&shown), "gone");
    }

    #[test]
    fn hostile_record_is_left_out_and_its_neighbour_is_not() {
        let shown = Reconciler::new("test", Scope::Machine);
        shown.whole([node("1"), Node::new("a", "2", "0.0.0.0:0")]);
        shown.put(Node::new("a", "3\0", "h:1"));
        assert_eq!(ids(&shown), "1 true");
    }
}
