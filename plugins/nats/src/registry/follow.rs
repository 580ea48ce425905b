//! A watch of a service, or of all: what there is, then what their processes say, and a question after those that
//! have not been heard for long.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    client::RegistryClient, connection::Connection, query::ask, task::NodeEvent,
    wire::RegistryMessage,
};
use micro_core::{
    Error, Result,
    node::Node,
    registry::{
        encoding::Service,
        is_another,
        remote::{Change, Reconciler},
    },
    wait::jitter,
};

/// Between two looks at who was not heard, with half as much again by chance: two of them after [`QUIET_TIMEOUT`] are over
/// within 90 s, with [`Reconciler`]'s own wait.
const PROBE_INTERVAL: Duration = Duration::from_secs(13);
/// A node that was not heard for so long is asked after: ours say each 30 s that they are here.
const QUIET_TIMEOUT: Duration = Duration::from_secs(45);
/// A node that does not answer so often is not there.
const MAX_MISSED_PROBES: u32 = 2;
/// Changes that are taken together.
const MAX_BATCH: usize = 1024;

struct ObservedNode {
    address: String,
    heard: Instant,
    missed: u32,
}

pub(super) struct Follower {
    registry_client: Arc<RegistryClient>,
    /// `None` follows all.
    service: Option<String>,
    shown: Arc<Reconciler>,
    /// By service and id.
    known: HashMap<(String, String), ObservedNode>,
}

impl Follower {
    pub(super) fn new(
        registry_client: Arc<RegistryClient>,
        service: Option<String>,
        shown: Arc<Reconciler>,
    ) -> Self {
        Follower {
            registry_client,
            service,
            shown,
            known: HashMap::new(),
        }
    }

    /// Follows until the connection is lost; returns why it was.
    pub(super) async fn run(mut self) -> Error {
        match self.follow().await {
            Ok(()) => self.registry_client.lost(),
            Err(error) => error,
        }
    }

    async fn follow(&mut self) -> Result<()> {
        let connection = self.registry_client.connection().await?;
        // First the watch, then what there is: so nothing is lost in between.
        let mut events = self.registry_client.watch(self.service.as_deref());
        let services = match self.service.clone() {
            Some(service) => BTreeSet::from([service]),
            None => {
                let named = ask(
                    &connection,
                    self.registry_client.subjects(),
                    &[RegistryMessage::list()],
                )
                .await?;
                named.into_iter().map(|service| service.name).collect()
            }
        };
        let nodes = self.answers(&connection, &services).await?;
        for node in &nodes {
            self.hear(node);
        }
        self.shown.whole(nodes);
        let mut next = next_probe();
        let mut heard = Vec::with_capacity(16);
        loop {
            tokio::select! {
                // The timer is not to be looked at once its runtime has ended.
                biased;
                count = events.recv_many(&mut heard, MAX_BATCH) => match count {
                    0 => return Ok(()),
                    _ => self.apply(heard.drain(..)),
                },
                () = sleep_until(next) => {
                    self.probe(&connection).await?;
                    next = next_probe();
                }
            }
        }
    }

    /// The nodes that answer for these services.
    async fn answers(
        &self,
        connection: &Connection,
        services: &BTreeSet<String>,
    ) -> Result<Vec<Node>> {
        if services.is_empty() {
            return Ok(Vec::new());
        }
        let questions: Vec<_> = services
            .iter()
            .map(|name| RegistryMessage::get(name))
            .collect();
        let answers = ask(connection, self.registry_client.subjects(), &questions).await?;
        let nodes = answers.into_iter().flat_map(Service::into_nodes);
        Ok(nodes
            .filter(|node| services.contains(&node.service))
            .collect())
    }

    fn hear(&mut self, node: &Node) {
        let key = (node.service.clone(), node.id.clone());
        let known = ObservedNode {
            address: node.address.clone(),
            heard: Instant::now(),
            missed: 0,
        };
        self.known.insert(key, known);
    }

    fn apply(&mut self, heard: impl Iterator<Item = NodeEvent>) {
        let mut changes = Vec::new();
        for heard in heard {
            changes.push(match heard {
                NodeEvent::Here(node) => {
                    self.hear(&node);
                    Change::Put(node)
                }
                NodeEvent::Gone(node) => {
                    let key = (node.service.clone(), node.id.clone());
                    let known = self.known.get(&key);
                    if known.is_some_and(|known| is_another(&node, &known.address)) {
                        continue;
                    }
                    self.known.remove(&key);
                    let (service, id) = key;
                    Change::Gone { service, id }
                }
            });
        }
        self.shown.apply(changes);
    }

    /// Asks after those that have not been heard for long. Where all say that they are here, nobody is asked.
    async fn probe(&mut self, connection: &Connection) -> Result<()> {
        let quiet: Vec<(String, String)> = self
            .known
            .iter()
            .filter(|(_, known)| known.heard.elapsed() >= QUIET_TIMEOUT)
            .map(|(key, _)| key.clone())
            .collect();
        let services = quiet.iter().map(|(service, _)| service.clone()).collect();
        let mut changes = Vec::new();
        for node in self.answers(connection, &services).await? {
            self.hear(&node);
            changes.push(Change::Put(node));
        }
        for key in quiet {
            let Some(known) = self.known.get_mut(&key) else {
                continue;
            };
            if known.heard.elapsed() < QUIET_TIMEOUT {
                continue;
            }
            known.missed += 1;
            if known.missed >= MAX_MISSED_PROBES {
                self.known.remove(&key);
                let (service, id) = key;
                changes.push(Change::Expired { service, id });
            }
        }
        self.shown.apply(changes);
        Ok(())
    }
}

fn next_probe() -> Instant {
    Instant::now() + PROBE_INTERVAL + jitter(PROBE_INTERVAL / 2)
}
