//! A fixed list of nodes.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Once},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Registry, Updates,
    validation::{Scope, validate},
    view::{NodeSet, View, WatchCursor, updates},
};
use crate::{
    address::bind,
    error::{Error, Result},
    node::Node,
    url::{Reads, Url, decode, env_var, non_blank},
};

/// Keys of the query that neither a list nor a zone uses, and that are not metadata either.
const NOT_OURS: [&str; 7] = [
    "token",
    "user",
    "password",
    "tls-ca",
    "tls-cert",
    "tls-key",
    "tls-insecure",
];
/// go-micro's port for services that are found by name alone.
const PORT: u16 = 8080;

/// A fixed list of nodes. Nothing is registered, and nothing changes.
///
/// Named `static:SERVICE=HOST:PORT+HOST:PORT,SERVICE=…`; see [`Static::open`].
///
/// [`register`](Registry::register) and [`deregister`](Registry::deregister) do nothing and log so once, so that
/// a service in the lists of others can run with this registry.
///
/// ```
/// use micro::registry::{Node, Registry, Static};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro::Result<()> {
/// let registry = Static::new([Node::new("greeter", "greeter-1", "10.0.0.1:80")])?;
/// assert_eq!(registry.get("greeter").await?[0].address, "10.0.0.1:80");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Static(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    view: View,
    /// How a service that is not in the list is found.
    unlisted: Option<Unlisted>,
    told: Once,
}

/// The service is at the host of its name.
#[derive(Debug)]
struct Unlisted {
    domain: String,
    port: u16,
    metadata: BTreeMap<String, String>,
}

impl Static {
    /// Creates a list of these nodes.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a node without a service, an id or a reachable address,
    /// and for two nodes with one id.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> Result<Self> {
        Static::with_unlisted(nodes, None)
    }

    /// Parses the list of a URL: `static:greeter=10.0.0.1:80+10.0.0.2:80,users=[fe80::1]:80`.
    ///
    /// - Metadata of one node follows its address: `10.0.0.1:80~weight=10~zone=west`; that of all nodes follows
    ///   the `?`: `static:greeter=10.0.0.1:80?protocol=grpc`. A `version` is the node's version. A node without
    ///   `protocol` speaks all our protocols.
    /// - `+`, `,`, `~` and `%` in a name, a value or the path of a `unix:` address are percent-encoded.
    /// - With `?domain=D` or `?port=P`, a service that is not in the list is at `SERVICE.D:P`; the default port is
    ///   8080. The same holds without any list, as in go-micro, whose `STATIC_SELECTOR_DOMAIN_NAME` and
    ///   `STATIC_SELECTOR_PORT_NUMBER` then complete the URL.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) that quotes the part that cannot be parsed.
    pub fn open(url: &Url) -> Result<Self> {
        if url.keys().any(|key| key == "namespace") {
            return Err(Error::invalid_argument("`static` has no namespaces"));
        }
        let common = metadata(url, &["domain", "port"])?;
        let list = url.address().split('?').next().unwrap_or_default();
        let mut nodes = Vec::new();
        for entry in list.split(',').filter(|entry| !entry.trim().is_empty()) {
            let (service, addresses) = entry.trim().split_once('=').ok_or_else(|| {
                Error::invalid_argument(format!(
                    "`{entry}` is not of the form `SERVICE=HOST:PORT+HOST:PORT`"
                ))
            })?;
            for node in addresses.split('+') {
                nodes.push(node_of(&decode(service), node, &common)?);
            }
        }
        let unlisted = Unlisted::of(url, nodes.is_empty(), common)?;
        Static::with_unlisted(nodes, unlisted)
    }

    fn with_unlisted(
        nodes: impl IntoIterator<Item = Node>,
        unlisted: Option<Unlisted>,
    ) -> Result<Self> {
        let mut sets: BTreeMap<String, NodeSet> = BTreeMap::new();
        for node in nodes {
            validate(&node, Scope::Machine)?;
            let set = sets.entry(node.service.clone()).or_default();
            set.authoritative = true;
            if set.nodes.iter().any(|known| known.id == node.id) {
                let (id, service) = (&node.id, &node.service);
                return Err(Error::invalid_argument(format!(
                    "node `{id}` of service `{service}` is listed twice"
                )));
            }
            set.nodes.push(Arc::new(node));
        }
        let services = sets.into_iter().map(|(name, set)| (name, Arc::new(set)));
        let view = View {
            services: services.collect(),
            stale: None,
        };
        let told = Once::new();
        Ok(Static(Arc::new(Inner {
            view,
            unlisted,
            told,
        })))
    }

    fn nothing_is_kept(&self, node: &Node) {
        self.0.told.call_once(|| {
            let (id, address) = (&node.id, &node.address);
            tracing::info!(
                id,
                address,
                "registry `static` is a list: nothing is registered, others find this node by theirs"
            );
        });
    }
}

#[async_trait]
impl Registry for Static {
    fn name(&self) -> &str {
        "static"
    }

    fn is_read_only(&self) -> bool {
        true
    }

    async fn register(&self, node: &Node, _: Option<Duration>) -> Result<()> {
        self.nothing_is_kept(node);
        Ok(())
    }

    async fn deregister(&self, _: &Node) -> Result<()> {
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        Ok(match self.0.view.services.get(service) {
            Some(set) => set.nodes.iter().map(|node| Node::clone(node)).collect(),
            None => self.0.unlisted_node(service).into_iter().collect(),
        })
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.0.view.services.keys().cloned().collect())
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let mut cursor = WatchCursor::new(service);
        match service.and_then(|name| self.0.unlisted_node(name)) {
            Some(node) if !self.0.view.services.contains_key(&node.service) => {
                let mut view = View::default();
                let service = node.service.clone();
                let set = NodeSet::new([node], true);
                view.services.insert(service, Arc::new(set));
                cursor.observe(&view);
            }
            _ => cursor.observe(&self.0.view),
        }
        Ok(updates(cursor, |mut cursor| async move {
            match cursor.next_update() {
                Some(update) => (cursor, update),
                // Nothing ever changes.
                None => pending().await,
            }
        }))
    }
}

impl Inner {
    fn unlisted_node(&self, service: &str) -> Option<Node> {
        let unlisted = self.unlisted.as_ref()?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        // Topics and the like are not hosts.
        if service.is_empty() || !service.chars().all(is_host) {
            return None;
        }
        let Unlisted {
            domain,
            port,
            metadata,
        } = unlisted;
        let address = match domain.is_empty() {
            true => format!("{service}:{port}"),
            false => format!("{service}.{domain}:{port}"),
        };
        Some(node_at(service, &address, metadata))
    }
}

impl Unlisted {
    /// How services that are not in the list are found, from the URL or from go-micro's variables.
    fn of(
        url: &Url,
        is_empty: bool,
        metadata: BTreeMap<String, String>,
    ) -> Result<Option<Unlisted>> {
        let said = |key, name| match url.query(key) {
            None if is_empty => Ok(non_blank(env_var(name)?)),
            said => Ok::<_, Error>(said),
        };
        let domain = said("domain", "STATIC_SELECTOR_DOMAIN_NAME")?;
        let port = said("port", "STATIC_SELECTOR_PORT_NUMBER")?;
        if !is_empty && domain.is_none() && port.is_none() {
            return Ok(None);
        }
        let port = match port {
            None => PORT,
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => number,
                _ => {
                    return Err(Error::invalid_argument(format!(
                        "port `{text}` is not a number from 1 to 65535"
                    )));
                }
            },
        };
        let domain = domain.unwrap_or_default();
        let domain = domain.trim_matches('.').to_owned();
        Ok(Some(Unlisted {
            domain,
            port,
            metadata,
        }))
    }
}

/// The metadata of all nodes: the query without our `own` keys.
pub fn metadata(url: &Url, own: &[&str]) -> Result<BTreeMap<String, String>> {
    if let Some(key) = url.keys().find(|key| NOT_OURS.contains(key)) {
        let name = url.name();
        return Err(Error::invalid_argument(format!(
            "`{key}` after the `?`: `{name}` has no use for it"
        )));
    }
    url.query_alone().check(&Reads::default())?;
    let said = url.keys().filter(|key| !own.contains(key));
    Ok(said
        .map(|key| (decode(key), url.query(key).unwrap_or_default()))
        .collect())
}

/// Parses `HOST:PORT~KEY=VALUE~KEY=VALUE`.
fn node_of(service: &str, text: &str, common: &BTreeMap<String, String>) -> Result<Node> {
    let mut parts = text.trim().split('~');
    let address = decode(parts.next().unwrap_or_default());
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    if !address.starts_with("unix:") && port.is_none_or(|port| port.is_err()) {
        return Err(Error::invalid_argument(format!(
            "`{address}` of service `{service}` is not of the form `HOST:PORT`"
        )));
    }
    if !address.starts_with("unix:") {
        bind(&address).map_err(|why| {
            Error::invalid_argument(format!("the address of service `{service}`: {why}"))
        })?;
    }
    let mut metadata = common.clone();
    for pair in parts {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Error::invalid_argument(format!(
                "`{pair}` behind `{address}` is not of the form `KEY=VALUE`"
            ))
        })?;
        metadata.insert(decode(key), decode(value));
    }
    Ok(node_at(service, &address, &metadata))
}

/// A node of a service at an address, which is its id, too.
pub fn node_at(service: &str, address: &str, metadata: &BTreeMap<String, String>) -> Node {
    let mut node = Node::new(service, format!("{service}-{address}"), address);
    *node.metadata_mut() = metadata.clone();
    if let Some(version) = node.metadata_mut().remove("version") {
        node.version = version;
    }
    node
}
