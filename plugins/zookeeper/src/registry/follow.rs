//! A watch of a service, or of all: what there is, then each change, until the connection is lost.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    answer::Happened,
    records::{Record, Records},
    watches::Event,
};
use micro_core::{
    error::{Error, Result},
    node::Node,
    registry::remote::{Change, Reconciler},
};

/// Changes that are taken together.
const BATCH: usize = 1024;
/// A record that is deleted this soon after it was changed, and nothing in between, was taken out by someone.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What is known of a record that is shown.
struct Known {
    service: String,
    id: String,
    is_lasting: bool,
}

/// What has become of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Changed,
    Expired,
    TakenOut,
}

pub(super) struct Following {
    records: Arc<Records>,
    /// `None` follows all.
    service: Option<String>,
    shown: Arc<Reconciler>,
    known: HashMap<String, Known>,
    /// The last event, if it was a change.
    changed: Option<(String, Instant)>,
}

impl Following {
    pub(super) fn new(
        records: Arc<Records>,
        service: Option<String>,
        shown: Arc<Reconciler>,
    ) -> Self {
        Following {
            records,
            service,
            shown,
            known: HashMap::new(),
            changed: None,
        }
    }

    /// Follows until the connection is lost, or too much happened at once; returns why it ended.
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
        // First the watch, then what there is: so nothing is lost in between.
        let watch = self.records.client.watch(place).await;
        let mut watch = watch.map_err(|fault| fault.into_error(place))?;
        let records = self.records.read_all(folder.as_deref()).await?;
        let nodes: Vec<_> = records.into_iter().filter_map(|r| self.know(r)).collect();
        self.shown.whole(nodes);
        let mut events = Vec::with_capacity(16);
        while watch.recv_many(&mut events, BATCH).await > 0 {
            let mut fates = HashMap::new();
            for event in events.drain(..) {
                self.sort(event, &mut fates);
            }
            self.apply(fates).await?;
        }
        Ok(())
    }

    /// Notes a record that is to be shown, and gives its node.
    fn know(&mut self, record: Record) -> Option<Node> {
        let Record {
            path,
            node,
            is_lasting,
        } = record;
        if self
            .service
            .as_ref()
            .is_some_and(|service| *service != node.service)
        {
            return None;
        }
        let known = Known {
            service: node.service.clone(),
            id: node.id.clone(),
            is_lasting,
        };
        self.known.insert(path, known);
        Some(node)
    }

    /// Notes the fate of a record by what happened; the last word counts.
    fn sort(&mut self, event: Event, fates: &mut HashMap<String, Fate>) {
        let Event { happened, path, at } = event;
        let before = self.changed.take();
        if self.records.paths.parts(&path).is_none() {
            return;
        }
        let fate = match happened {
            Happened::Created => Fate::Changed,
            Happened::Changed => {
                self.changed = Some((path.clone(), at));
                Fate::Changed
            }
            Happened::Deleted => {
                let touched = before.is_some_and(|(last, then)| {
                    last == path && at.saturating_duration_since(then) < AT_ONCE
                });
                let is_lasting = self.known.get(&path).is_some_and(|known| known.is_lasting);
                match touched || is_lasting {
                    true => Fate::TakenOut,
                    false => Fate::Expired,
                }
            }
        };
        fates.insert(path, fate);
    }

    async fn apply(&mut self, fates: HashMap<String, Fate>) -> Result<()> {
        let mut changes = Vec::with_capacity(fates.len());
        let mut changed = Vec::new();
        for (path, fate) in fates {
            if fate == Fate::Changed {
                changed.push(path);
            } else if let Some(Known { service, id, .. }) = self.known.remove(&path) {
                changes.push(match fate {
                    Fate::Expired => Change::Expired { service, id },
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
