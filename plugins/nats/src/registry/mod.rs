//! A registry over NATS, as go-micro has it: nothing is stored, each process answers for its own nodes.
//!
//! ```text
//! Server ── RegistryClient ──► task: owns the connection, which NatsConnector opens
//!    ├───── query: asks all processes, collects their answers
//!    └───── Follower: one watch
//! ```

mod client;
mod connection;
mod follow;
mod identity;
mod local_nodes;
mod query;
mod refusal;
mod task;
mod wire;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use client::RegistryClient;
use connection::{Connection, NatsConnector};
use follow::Follower;
use micro_core::{
    Error, Result,
    node::Node,
    registry::{
        encoding::Service,
        id_in_use, is_another,
        remote::{AsRemote, Driver, Reconciler, Remote},
    },
    url::{Options, Url},
};
use query::ask;
use refusal::Kind;
use wire::{RegistryMessage, Subjects};

/// A registry over NATS, shared with go-micro's services of all versions.
///
/// Each process answers for its own nodes on the subject `micro.nats.query`, and says on `micro.nats.watch` when one
/// comes or goes; as well on `micro.registry.nats.…`, which go-micro had before v5. The server keeps nothing: so a
/// node whose process was killed is seen to be gone only after it was asked for and did not answer, within 90 s, and
/// [`get`](micro_core::registry::Registry::get) and [`list`](micro_core::registry::Registry::list) take 100 ms.
///
/// ```no_run
/// # fn example() -> micro::Result<()> {
/// use micro::{Plugins, registry::Nats, settings::Url};
///
/// let url = Url::parse("nats://user:password@10.0.0.1,10.0.0.2?namespace=blue");
/// let plugins = Plugins::new().registry(Nats::open(&url)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Nats(Remote<Server>);

impl AsRemote for Nats {
    type Driver = Server;

    fn as_remote(&self) -> &Remote<Server> {
        &self.0
    }
}

impl Nats {
    /// The registry at this URL; nothing is connected before it is used.
    ///
    /// One is known by `user` and `password`, `token`, `creds=FILE` or `nkey=FILE` (the seed). Where the URL has none of
    /// these, `NATS_USER` and `NATS_PASSWORD`, `NATS_TOKEN`, `NATS_CREDS` and `NATS_NKEY` of the environment say who we
    /// are. A namespace stands in front of the subjects: `blue.micro.nats.query`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a URL that says what NATS has not.
    pub fn open(url: &Url) -> Result<Self> {
        let options = Options::of(url, 4222, &["creds", "nkey"])?;
        if options.namespace.ends_with('.') || options.namespace.contains("..") {
            let namespace = &options.namespace;
            return Err(Error::invalid_argument(format!(
                "namespace `{namespace}` is no part of a subject of NATS; no dot at the end, nor two together"
            )));
        }
        let registry_client = RegistryClient::new(
            NatsConnector::of(&options)?,
            Subjects::of(&options.namespace),
        );
        Ok(Nats(Remote::new(Server {
            place: options.place(),
            registry_client: Arc::new(registry_client),
        })))
    }
}

/// NATS, as a server of records.
pub struct Server {
    place: String,
    registry_client: Arc<RegistryClient>,
}

/// How long a refused answer counts: who asked may ask again.
const REFUSAL_TTL: Duration = Duration::from_secs(60);

impl Server {
    /// All that is answered of a service.
    async fn found(&self, connection: &Connection, service: &str) -> Result<Vec<Node>> {
        let answers = ask(
            connection,
            self.registry_client.subjects(),
            &[RegistryMessage::get(service)],
        )
        .await?;
        let nodes = answers.into_iter().flat_map(Service::into_nodes);
        Ok(nodes.filter(|node| node.service == service).collect())
    }

    /// Whether those who ask for our nodes get our answers; tried once a connection, by asking ourselves.
    async fn check(&self, connection: &Connection, service: &str) -> Result<()> {
        if !connection.is_checked.load(Ordering::Relaxed) {
            self.found(connection, service).await?;
            connection.is_checked.store(true, Ordering::Relaxed);
        }
        let begun = Instant::now().checked_sub(REFUSAL_TTL);
        let refused =
            begun.and_then(|begun| connection.server_state.borrow().since(Kind::Answer, begun));
        refused.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Driver for Server {
    fn name(&self) -> &str {
        "nats"
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        // Else it would be taken out, on authority, as soon as there is a connection again.
        self.registry_client.own().renew(node, ttl);
        let connection = self.registry_client.connection().await?;
        let size = RegistryMessage::of_node("create", node).len();
        let most = connection.client.max_payload();
        if size > most {
            return Err(Error::invalid_argument(format!(
                "node `{}` of service `{}` has a record of {size} bytes; the server's `max_payload` is {most}",
                node.id, node.service
            )));
        }
        let is_taken = self.registry_client.own().is_taken(node);
        if is_taken {
            let others = self.found(&connection, &node.service).await?.into_iter();
            let mut others = others.filter(|other| other.id == node.id);
            if let Some(other) = others.find(|other| is_another(node, &other.address)) {
                return Err(id_in_use(node, &other.address));
            }
        }
        self.registry_client.keep(node, ttl);
        self.registry_client
            .announce(&connection, "create", node)
            .await?;
        self.check(&connection, &node.service).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        // Whether or not it can be said: nobody answers for it any more.
        let is_taken = self.registry_client.own().is_taken(node);
        self.registry_client.own().forget(node);
        let connection = self.registry_client.connection().await?;
        if is_taken {
            // Another instance has its id: what is known by that is not ours.
            return Ok(());
        }
        self.registry_client
            .announce(&connection, "delete", node)
            .await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let connection = self.registry_client.connection().await?;
        let mut nodes = self.found(&connection, service).await?;
        // Asked on both subjects, each answers twice.
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes.dedup_by(|later, first| later.id == first.id);
        Ok(nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let connection = self.registry_client.connection().await?;
        let answers = ask(
            &connection,
            self.registry_client.subjects(),
            &[RegistryMessage::list()],
        )
        .await?;
        Ok(answers.into_iter().map(|service| service.name).collect())
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        let registry_client = self.registry_client.clone();
        // The watch keeps the client alive after the last handle is dropped.
        Follower::new(registry_client, service, shown).run().await
    }
}
