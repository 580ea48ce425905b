//! A registry over NATS, as go-micro has it: nothing is stored, each process answers for its own nodes.
//!
//! ```text
//! Server ── Hub ──► task: it has the connection, a Link
//!    ├───── query: what all answer
//!    └───── Following: a watch
//! ```

mod follow;
mod hub;
mod identity;
mod link;
mod own;
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

use follow::Following;
use hub::Hub;
use link::{Link, Linked};
use micro_core::{
    error::{Error, Result},
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
        let hub = Hub::new(Link::of(&options)?, Subjects::of(&options.namespace));
        Ok(Nats(Remote::new(Server {
            place: options.place(),
            hub: Arc::new(hub),
        })))
    }
}

/// NATS, as a server of records.
pub struct Server {
    place: String,
    hub: Arc<Hub>,
}

/// How long a refused answer counts: who asked may ask again.
const REFUSED: Duration = Duration::from_secs(60);

impl Server {
    /// All that is answered of a service.
    async fn found(&self, linked: &Linked, service: &str) -> Result<Vec<Node>> {
        let answers = ask(
            linked,
            self.hub.subjects(),
            &[RegistryMessage::get(service)],
        )
        .await?;
        let nodes = answers.into_iter().flat_map(Service::into_nodes);
        Ok(nodes.filter(|node| node.service == service).collect())
    }

    /// Whether those who ask for our nodes get our answers; tried once a connection, by asking ourselves.
    async fn check(&self, linked: &Linked, service: &str) -> Result<()> {
        if !linked.is_checked.load(Ordering::Relaxed) {
            self.found(linked, service).await?;
            linked.is_checked.store(true, Ordering::Relaxed);
        }
        let begun = Instant::now().checked_sub(REFUSED);
        let refused = begun.and_then(|begun| linked.told.borrow().since(Kind::Answer, begun));
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
        self.hub.own().renew(node, ttl);
        let linked = self.hub.linked().await?;
        let size = RegistryMessage::of_node("create", node).len();
        let most = linked.client.max_payload();
        if size > most {
            return Err(Error::invalid_argument(format!(
                "node `{}` of service `{}` has a record of {size} bytes; the server's `max_payload` is {most}",
                node.id, node.service
            )));
        }
        let is_taken = self.hub.own().is_taken(node);
        if is_taken {
            let others = self.found(&linked, &node.service).await?.into_iter();
            let mut others = others.filter(|other| other.id == node.id);
            if let Some(other) = others.find(|other| is_another(node, &other.address)) {
                return Err(id_in_use(node, &other.address));
            }
        }
        self.hub.keep(node, ttl);
        self.hub.tell(&linked, "create", node).await?;
        self.check(&linked, &node.service).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        // Whether or not it can be said: nobody answers for it any more.
        let is_taken = self.hub.own().is_taken(node);
        self.hub.own().forget(node);
        let linked = self.hub.linked().await?;
        if is_taken {
            // Another instance has its id: what is known by that is not ours.
            return Ok(());
        }
        self.hub.tell(&linked, "delete", node).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let linked = self.hub.linked().await?;
        let mut nodes = self.found(&linked, service).await?;
        // Asked on both subjects, each answers twice.
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes.dedup_by(|later, first| later.id == first.id);
        Ok(nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let linked = self.hub.linked().await?;
        let answers = ask(&linked, self.hub.subjects(), &[RegistryMessage::list()]).await?;
        Ok(answers.into_iter().map(|service| service.name).collect())
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        let hub = self.hub.clone();
        // What is dropped with the last handle is the hub: a watch keeps it.
        Following::new(hub, service, shown).run().await
    }
}
