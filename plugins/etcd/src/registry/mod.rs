//! [`Etcd`]: records in etcd, as go-micro keeps them there.
//!
//! A node is a key below `/micro/registry/SERVICE/` with a lease; its value is the JSON of a service of one node.
//!
//! ```text
//! Server ─► Client ─► Connection ─► Stream     one connection, to whichever member answers; a stream a question
//!   ├─ Leases   what this handle registered, kept up between two renewals
//!   └─ follow   a watch: the whole range, then each change after that revision
//! ```

#[cfg(test)]
mod captures;
mod client;
mod connection;
mod failure;
mod follow;
mod heartbeat;
mod key;
mod message;
mod ownership;
mod register;
mod single_flight;
mod store;
mod stream;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use self::{
    client::Client, failure::Failure, key::Keys, message::KeyValue, register::Leases,
    store::NewestHeader,
};
use micro_core::{
    Error, Result,
    node::Node,
    registry::{
        encoding,
        remote::{AsRemote, Driver, Reconciler, Remote},
        validation::warn_rejected,
    },
    url::{Options, Url, env_var},
};

/// A registry in etcd, shared with go-micro services.
#[derive(Clone)]
pub struct Etcd(Remote<Server>);

impl AsRemote for Etcd {
    type Driver = Server;

    fn as_remote(&self) -> &Remote<Server> {
        &self.0
    }
}

const NAME: &str = "etcd";
const DEFAULT_PORT: u16 = 2379;

/// The driver of an [`Etcd`] registry, for etcd 3.4 or newer.
pub struct Server {
    place: String,
    keys: Keys,
    client: Arc<Client>,
    leases: Leases,
    seen: NewestHeader,
}

impl Etcd {
    /// The registry at `etcd://USER:PASSWORD@HOST:PORT,HOST:PORT?namespace=N&tls-ca=FILE`; everything after the name is
    /// optional. Connects on first use.
    ///
    /// Without a user in the URL, `ETCD_USERNAME` and `ETCD_PASSWORD` set the user.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a URL that says what etcd does not know.
    pub fn open(url: &Url) -> Result<Self> {
        let options = Options::of(url, DEFAULT_PORT, &[])?;
        let user = match (&options.user, &options.token) {
            (None, None) => match env_var("ETCD_USERNAME")? {
                Some(user) => Some((user, env_var("ETCD_PASSWORD")?.unwrap_or_default())),
                None => None,
            },
            (Some(_), Some(_)) => {
                return Err(Error::invalid_argument(
                    "a token and a user are given; leave one out",
                ));
            }
            (user, _) => user.clone(),
        };
        options.warn_of_plaintext(user.is_some() || options.token.is_some());
        let client = Arc::new(Client::new(&options, user)?);
        Ok(Etcd(Remote::new(Server {
            place: options.place(),
            keys: Keys::of(&options.namespace),
            leases: Leases::new(client.clone()),
            client,
            seen: NewestHeader::new(),
        })))
    }
}

impl Server {
    async fn read(&self, service: Option<&str>) -> Result<Vec<Node>, Failure> {
        let whole = self
            .seen
            .read(&self.client, self.keys.range(service), false)
            .await?;
        Ok(nodes(&whole.kvs, service).collect())
    }

    /// The possible keys of a node: its own, and the key that go-micro would use.
    async fn places(&self, node: &Node) -> Result<Vec<Bytes>, Failure> {
        let mut places = vec![self.keys.node(&node.service, &node.id)];
        if let Some(plain) = self.keys.plain(&node.service, &node.id) {
            let range = (plain.clone(), key::after(&plain));
            let whole = self.seen.read(&self.client, range, false).await?;
            if nodes(&whole.kvs, Some(&node.service)).any(|found| found.id == node.id) {
                places.push(plain);
            }
        }
        Ok(places)
    }

    async fn names(&self) -> Result<Vec<String>, Failure> {
        let whole = self
            .seen
            .read(&self.client, self.keys.range(None), true)
            .await?;
        let (mut names, mut unclear) = (BTreeSet::new(), BTreeSet::new());
        for kv in &whole.kvs {
            match self.keys.service(&kv.key) {
                Some(Ok(service)) => drop(names.insert(service.to_owned())),
                Some(Err(directory)) => drop(unclear.insert(directory.to_owned())),
                None => {}
            }
        }
        for directory in unclear {
            let range = self.keys.range(Some(&directory));
            let whole = self.seen.read(&self.client, range, false).await?;
            names.extend(nodes(&whole.kvs, None).map(|node| node.service));
        }
        Ok(names.into_iter().collect())
    }
}

#[async_trait]
impl Driver for Server {
    fn name(&self) -> &str {
        NAME
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let key = self.keys.node(&node.service, &node.id);
        let value = Bytes::from(encoding::encode(node));
        Ok(self.leases.register(key, node, value, ttl).await?)
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        let key = self.keys.node(&node.service, &node.id);
        let written = self.leases.forget(&key);
        for place in self.places(node).await? {
            let written = written.as_ref().filter(|_| place == key);
            let lease = written.map_or(0, |record| record.lease);
            ownership::delete(&self.client, &place, node, lease).await?;
        }
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        Ok(self.read(Some(service)).await?)
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.names().await?)
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        Server::follow(&self, service.as_deref(), &shown)
            .await
            .into()
    }
}

/// The nodes in records of one service or of all. Invalid records are skipped.
fn nodes<'a>(kvs: &'a [KeyValue], service: Option<&'a str>) -> impl Iterator<Item = Node> + 'a {
    kvs.iter()
        .flat_map(record)
        .filter(move |node| is_of(node, service))
}

fn is_of(node: &Node, service: Option<&str>) -> bool {
    service.is_none_or(|service| node.service == service)
}

/// The nodes of one record, usually one.
fn record(kv: &KeyValue) -> Vec<Node> {
    encoding::decode(&kv.value).unwrap_or_else(|error| {
        let key = String::from_utf8_lossy(&kv.key);
        warn_rejected(
            NAME,
            &error.context(format_args!("key `{}`", key.escape_debug())),
        );
        Vec::new()
    })
}
