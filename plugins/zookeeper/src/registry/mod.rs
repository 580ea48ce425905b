//! A registry in ZooKeeper, laid out as in go-micro: a leaf for each node.
//!
//! ```text
//! Server ── Records ── Client ──► session: the task that has the Connection
//!    └───── Registrar: writes again what a lost session took along
//! ```
//!
//! We have our own client: the requests that we need are few, and its task, queues and TLS follow the rules of this
//! workspace.

mod client;
mod connection;
mod follow;
mod packet;
mod paths;
mod records;
mod register;
mod request;
mod response;
mod session;
mod watches;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use client::Client;
use follow::Follower;
use micro_core::{
    Error, Result,
    net::tls::Connector,
    node::Node,
    registry::remote::{AsRemote, Driver, Reconciler, Remote},
    url::{Options, Url},
};
use packet::Acl;
use paths::Paths;
use records::{Overwrite, Records};
use register::Registrar;
use request::Shared;

/// Default session timeout in seconds.
const DEFAULT_SESSION_TIMEOUT_S: u64 = 15;

/// A registry in ZooKeeper 3.6 or later, shared with go-micro services.
///
/// The record of a node is JSON at `/micro-registry/SERVICE/NODE`; a `/` in a name becomes `-`. A node with a TTL ends
/// with the session of its process, 15 s after the last contact, or when it is not renewed in time. A node without a
/// TTL stays. With a namespace everything is below `/NAMESPACE`.
///
/// ```no_run
/// # fn example() -> micro::Result<()> {
/// use micro::{Plugins, registry::ZooKeeper, settings::Url};
///
/// let url = Url::parse("zookeeper://10.0.0.1,10.0.0.2,10.0.0.3?namespace=blue");
/// let plugins = Plugins::new().registry(ZooKeeper::open(&url)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ZooKeeper(Remote<Server>);

impl AsRemote for ZooKeeper {
    type Driver = Server;

    fn as_remote(&self) -> &Remote<Server> {
        &self.0
    }
}

impl ZooKeeper {
    /// The registry at a URL. Connects on first use.
    ///
    /// The path of the URL is a root for everything. `user` and `password` authenticate with the scheme `digest`: only
    /// this user may change what it creates, and everyone may read it. `session-timeout=SECONDS` defaults to 15.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a URL that says what ZooKeeper has not.
    pub fn open(url: &Url) -> Result<Self> {
        let options = Options::with_path(url, 2181, &["session-timeout"])?;
        if options.token.is_some() {
            return Err(Error::invalid_argument(
                "`zookeeper` takes no token; give `user` and `password`",
            ));
        }
        let seconds = match url.query("session-timeout") {
            None => DEFAULT_SESSION_TIMEOUT_S,
            Some(text) => match text.parse() {
                Ok(seconds @ 1..=3600) => seconds,
                _ => {
                    return Err(Error::invalid_argument(format!(
                        "`session-timeout={text}` is not a number of seconds from 1 to 3600"
                    )));
                }
            },
        };
        options.warn_of_plaintext(options.user.is_some());
        let paths = Paths::of(url.path(), &options.namespace)?;
        let access = match options.user {
            Some(_) => Acl::Own,
            None => Acl::All,
        };
        let place = options.place();
        let shared = Shared {
            hosts: options.hosts,
            tls: options.tls.map(Connector::new),
            secret: options
                .user
                .map(|(user, password)| format!("{user}:{password}")),
            timeout: Duration::from_secs(seconds),
            session: Mutex::new((0, Bytes::new())),
            losses: watch::Sender::new(0),
            reason: Mutex::new(None),
        };
        let client = Arc::new(Client::new(shared));
        let records = Arc::new(Records {
            client,
            paths,
            access,
        });
        let keeper = Registrar::new(records.clone());
        Ok(ZooKeeper(Remote::new(Server {
            place,
            records,
            keeper,
        })))
    }
}

/// The driver of a [`ZooKeeper`] registry.
pub struct Server {
    place: String,
    records: Arc<Records>,
    keeper: Registrar,
}

#[async_trait]
impl Driver for Server {
    fn name(&self) -> &str {
        "zookeeper"
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let path = self.records.paths.node(node)?;
        let data = Records::encode(node)?;
        match ttl {
            Some(ttl) => self.keeper.register(&path, data, ttl).await,
            None => {
                self.keeper.forget(&path);
                self.records
                    .write(&path, &data, false, Overwrite::Any)
                    .await
            }
        }
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let path = self.records.paths.node(node)?;
        self.keeper.deregister(&path, node).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let folder = self.records.paths.service(service)?;
        let records = self.records.read_all(Some(&folder)).await?;
        let nodes = records.into_iter().map(|record| record.node);
        Ok(nodes.filter(|node| node.service == service).collect())
    }

    async fn list(&self) -> Result<Vec<String>> {
        let names = self.records.folders().await?;
        let root = &self.records.paths.root;
        let folders: Vec<_> = names.iter().map(|name| format!("{root}/{name}")).collect();
        let leaves = self.records.leaves(&folders).await?;
        let mut services = Vec::with_capacity(names.len());
        for (name, leaves) in names.into_iter().zip(leaves) {
            if name.contains('-') {
                // Services with a `/` in their names may be among them.
                let records = self.records.read(&leaves).await?;
                services.extend(records.into_iter().map(|record| record.node.service));
            } else if !leaves.is_empty() {
                services.push(name);
            }
        }
        Ok(services)
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        Follower::new(self.records.clone(), service, shown)
            .run()
            .await
    }
}
