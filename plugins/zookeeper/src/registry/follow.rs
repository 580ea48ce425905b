//! A watch of one or all services: reads all records, then each change until the connection is lost.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    records::{Record, Records},
    response::EventKind,
    watches::Event,
};
use micro_core::{
    Error, Result,
    node::Node,
    registry::remote::{Change, Reconciler},
};

/// Events that are applied together.
const MAX_BATCH: usize = 1024;
/// A record deleted this soon after a change, with no event in between, was deregistered and did not expire.
const IMMEDIATE_DELETE: Duration = Duration::from_secs(1);

/// A record that is shown.
struct TrackedNode {
    service: String,
    id: String,
    is_persistent: bool,
}

/// What happened to the record of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NodeChange {
    Changed,
    Expired,
    TakenOut,
}

pub(super) struct Follower {
    records: Arc<Records>,
    /// `None` follows all services.
    service: Option<String>,
    shown: Arc<Reconciler>,
    known: HashMap<String, TrackedNode>,
    /// The last event, if it was a data change.
    changed: Option<(String, Instant)>,
}

impl Follower {
    pub(super) fn new(
        records: Arc<Records>,
        service: Option<String>,
        shown: Arc<Reconciler>,
    ) -> Self {
        Follower {
            records,
            service,
            shown,
            known: HashMap::new(),
            changed: None,
        }
    }

    /// Follows until the connection is lost, or too many events arrive at once; returns why it ended.
    pub(super) async fn run(mut self) -> Error {
        match self.follow().await {
            Ok(()) => self.records.client.lost(),
            Err(error) => error,
        }
    }

    async fn follow(&mut self) -> Result<()> {
        let folder = match &self.service {
            Some(service) => Some(self.records.paths.service(service)?),
            None => None,
        };
        let place = folder.as_deref().unwrap_or(&self.records.paths.root);
        // The watch is set before the read, so that no change is lost.
        let watch = self.records.client.watch(place).await;
        let mut watch = watch.map_err(|error| error.into_error(place))?;
        let records = self.records.read_all(folder.as_deref()).await?;
        let nodes: Vec<_> = records.into_iter().filter_map(|r| self.know(r)).collect();
        self.shown.whole(nodes);
        let mut events = Vec::with_capacity(16);
        while watch.recv_many(&mut events, MAX_BATCH).await > 0 {
            let mut changes = HashMap::new();
            for event in events.drain(..) {
                self.sort(event, &mut changes);
            }
            self.apply(changes).await?;
        }
        Ok(())
    }

    /// Tracks a record. Returns its node if it is of this watch.
    fn know(&mut self, record: Record) -> Option<Node> {
        let Record {
            path,
            node,
            is_persistent,
        } = record;
        if self
            .service
            .as_ref()
            .is_some_and(|service| *service != node.service)
        {
            return None;
        }
        let known = TrackedNode {
            service: node.service.clone(),
            id: node.id.clone(),
            is_persistent,
        };
        self.known.insert(path, known);
        Some(node)
    }

    /// Notes what an event did to a record. The last event of a record counts.
    fn sort(&mut self, event: Event, changes: &mut HashMap<String, NodeChange>) {
        let Event { kind, path, at } = event;
        let before = self.changed.take();
        if self.records.paths.parts(&path).is_none() {
            return;
        }
        let change = match kind {
            EventKind::Created => NodeChange::Changed,
            EventKind::Changed => {
                self.changed = Some((path.clone(), at));
                NodeChange::Changed
            }
            EventKind::Deleted => {
                let touched = before.is_some_and(|(last, then)| {
                    last == path && at.saturating_duration_since(then) < IMMEDIATE_DELETE
                });
                let is_persistent = self
                    .known
                    .get(&path)
                    .is_some_and(|known| known.is_persistent);
                match touched || is_persistent {
                    true => NodeChange::TakenOut,
                    false => NodeChange::Expired,
                }
            }
        };
        changes.insert(path, change);
    }

    async fn apply(&mut self, records: HashMap<String, NodeChange>) -> Result<()> {
        let mut changes = Vec::with_capacity(records.len());
        let mut changed = Vec::new();
        for (path, change) in records {
            if change == NodeChange::Changed {
                changed.push(path);
            } else if let Some(TrackedNode { service, id, .. }) = self.known.remove(&path) {
                changes.push(match change {
                    NodeChange::Expired => Change::Expired { service, id },
                    _ => Change::Gone { service, id },
                });
            }
        }
        let records = self.records.read(&changed).await?;
        changes.extend(
            records
                .into_iter()
                .filter_map(|r| self.know(r))
                .map(Change::Put),
        );
        self.shown.apply(changes);
        Ok(())
    }
}
