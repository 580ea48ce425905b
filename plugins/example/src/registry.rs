//! A registry: a driver that reads and writes the records of a server.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use micro_core::{
    Error, Result,
    node::Node,
    registry::{
        id_in_use, is_another,
        remote::{Driver, Reconciler, Remote},
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// The server: a table of records, here in this process. A clone is another way to the same table.
#[derive(Clone, Default)]
pub struct Server(Arc<watch::Sender<Records>>);

/// A record by its service and id.
type Records = BTreeMap<(String, String), Record>;

#[derive(Clone)]
struct Record {
    node: Node,
    /// When it goes unless it is renewed.
    expires: Option<Instant>,
}

impl Record {
    fn is_alive(&self) -> bool {
        self.expires.is_none_or(|at| at > Instant::now())
    }
}

/// One handle on a [`Server`]; [`Board::registry`] makes a registry of it.
pub struct Board {
    server: Server,
    /// Service and id of the nodes that this handle has registered.
    own: Mutex<BTreeSet<(String, String)>>,
}

impl Board {
    /// A registry whose records are at this server.
    pub fn registry(server: &Server) -> Remote<Board> {
        Remote::new(Board {
            server: server.clone(),
            own: Mutex::default(),
        })
    }

    /// The records of a service, or of all, and when the first of them expires.
    fn read(&self, service: Option<&str>) -> (Vec<Node>, Option<Instant>) {
        let records = self.server.0.borrow();
        let alive = records.values().filter(|record| {
            record.is_alive() && service.is_none_or(|service| record.node.service == service)
        });
        let (nodes, expiries): (Vec<_>, Vec<_>) = alive
            .map(|record| (record.node.clone(), record.expires))
            .unzip();
        (nodes, expiries.into_iter().flatten().min())
    }
}

fn key(node: &Node) -> (String, String) {
    (node.service.clone(), node.id.clone())
}

#[async_trait]
impl Driver for Board {
    fn name(&self) -> &str {
        "board"
    }

    fn place(&self) -> String {
        "this process".into()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let is_renewal = own.contains(&key(node));
        let record = Record {
            node: node.clone(),
            expires: ttl.map(|ttl| Instant::now() + ttl),
        };
        let mut result = Ok(());
        self.server.0.send_if_modified(|records| {
            // A renewal does not take the record of another instance; a first registration does.
            let other = records.get(&key(node)).filter(|found| {
                is_renewal && found.is_alive() && is_another(node, &found.node.address)
            });
            if let Some(other) = other {
                result = Err(id_in_use(node, &other.node.address));
                return false;
            }
            let before = records.insert(key(node), record);
            before.is_none_or(|before| {
                before.node != *node || before.expires.is_some() != ttl.is_some()
            })
        });
        if result.is_ok() {
            own.insert(key(node));
        }
        result
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.remove(&key(node));
        self.server
            .0
            .send_if_modified(|records| match records.get(&key(node)) {
                Some(found) if !is_another(node, &found.node.address) => {
                    records.remove(&key(node)).is_some()
                }
                _ => false,
            });
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        Ok(self.read(Some(service)).0)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let nodes = self.read(None).0;
        Ok(nodes.into_iter().map(|node| node.service).collect())
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        let mut changes = self.server.0.subscribe();
        let mut services = BTreeSet::new();
        shown.whole(self.read(service.as_deref()).0);
        loop {
            changes.borrow_and_update();
            let (nodes, expiry) = self.read(service.as_deref());
            let mut sets: BTreeMap<String, Vec<Node>> = BTreeMap::new();
            // Services that had nodes before are said to have none.
            services.extend(nodes.iter().map(|node| node.service.clone()));
            sets.extend(services.iter().map(|service| (service.clone(), Vec::new())));
            for node in nodes {
                sets.entry(node.service.clone()).or_default().push(node);
            }
            for (service, nodes) in sets {
                shown.set(&service, nodes, []);
            }
            let expired = async {
                match expiry {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    return Error::unavailable("the server is gone");
                },
                () = expired => {}
            }
        }
    }
}
