//! Consul: each node a service of an agent, as go-micro registers it.
//!
//! ```text
//! register ──► agent: service + TTL check ──► catalog        tags, record: how a node is written there
//! watch ◄── Query: "answer when the health of X has changed"   pulse: is it still there? turns: connections shared
//! ```

#[cfg(test)]
mod captures;
mod environment;
mod follow_all;
mod follow_one;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod heartbeat;
mod query;
mod record;
mod register;
mod slots;
mod tags;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use serde::de::IgnoredAny;

use heartbeat::Heartbeat;
use micro_core::{
    Code, Error, Result,
    http::client::{self, Answer, Http, Request},
    node::Node,
    registry::remote::{AsRemote, Driver, Reconciler, Remote},
    url::{Options, Url, env_var},
};
use record::Names;
use register::Registrations;
use slots::WatchSlots;
use tags::Reader;

/// Consul's port, unless the URL says another.
const DEFAULT_PORT: u16 = 8500;
/// Default number of connections for watches; the others serve requests that must not wait.
const DEFAULT_CONNECTIONS: usize = 24;
/// Maximal number of connections for watches.
const MAX_CONNECTIONS: usize = client::CONNECTIONS - 2;

/// Services found through [Consul](https://developer.hashicorp.com/consul), together with go-micro's.
///
/// A node is a service of the agent that the URL names, with a TTL check; `docs/registries/consul.md` says more.
#[derive(Clone)]
pub struct Consul(Remote<Server>);

impl AsRemote for Consul {
    type Driver = Server;

    fn as_remote(&self) -> &Remote<Server> {
        &self.0
    }
}

/// The driver of a [`Consul`] registry.
pub struct Server {
    http: Http,
    names: Names,
    place: String,
    /// Headers that authenticate us.
    identity: Vec<(HeaderName, HeaderValue)>,
    registrations: Registrations,
    heartbeat: Heartbeat,
    slots: WatchSlots,
}

impl Consul {
    /// The registry at `consul://HOST:PORT,HOST:PORT?token=…&namespace=…&connections=24`; without an address, the agent
    /// on this machine. Connects on first use.
    ///
    /// The environment completes the URL: `CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN`, `CONSUL_HTTP_TOKEN_FILE`,
    /// `CONSUL_HTTP_AUTH` and, for TLS, `CONSUL_HTTP_SSL`, `CONSUL_CACERT`, `CONSUL_CLIENT_CERT`, `CONSUL_CLIENT_KEY`
    /// and `CONSUL_HTTP_SSL_VERIFY`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for an invalid URL, see [`Options::of`].
    pub fn open(url: &Url) -> Result<Self> {
        Options::of(url, DEFAULT_PORT, &["connections"])?;
        let url = environment::complete(url, env_var)?;
        let options = Options::of(&url, DEFAULT_PORT, &["connections"])?;
        let connections = match url.query("connections") {
            None => DEFAULT_CONNECTIONS,
            Some(text) => match text.parse() {
                Ok(number) if (1..=MAX_CONNECTIONS).contains(&number) => number,
                _ => {
                    let text =
                        format!("`connections={text}` is not a number from 1 to {MAX_CONNECTIONS}");
                    return Err(Error::invalid_argument(text));
                }
            },
        };
        let mut identity = Vec::new();
        if let Some(token) = &options.token {
            let name = HeaderName::from_static("x-consul-token");
            identity.push((name, client::secret(token)?));
        }
        // A proxy in front of Consul may ask for a user.
        if let Some((user, password)) = &options.user {
            identity.push((header::AUTHORIZATION, client::basic(user, password)?));
        }
        options.warn_of_plaintext(!identity.is_empty());
        Ok(Consul(Remote::new(Server {
            http: Http::new(&options),
            names: Names::of(&options.namespace),
            place: options.place(),
            identity,
            registrations: Registrations::default(),
            heartbeat: Heartbeat::new(options.hosts.len()),
            slots: WatchSlots::new(connections),
        })))
    }
}

#[async_trait]
impl Driver for Server {
    fn name(&self) -> &str {
        "consul"
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        self.register_node(node, ttl).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.deregister_node(node).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        let answer = self.ask(&self.health_of(service)).await?;
        self.permitted(&answer).await?;
        let health = self.health(service, &answer, &mut Reader::default())?;
        Ok(health.nodes)
    }

    async fn list(&self) -> Result<Vec<String>> {
        let names = self.all_names().await?;
        let names = names.iter().filter_map(|name| self.names.inner(name));
        Ok(names.collect())
    }

    async fn follow(self: Arc<Self>, service: Option<String>, shown: Arc<Reconciler>) -> Error {
        match service {
            Some(service) => self.follow_one(&service, &shown).await,
            None => self.follow_all(&shown).await,
        }
    }
}

impl Server {
    fn get(&self, path: &str) -> Request {
        self.identified(Request::get(path))
    }

    fn identified(&self, request: Request) -> Request {
        let identity = self.identity.iter().cloned();
        identity.fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    /// Reads from the first host that responds.
    async fn ask(&self, path: &str) -> Result<Answer> {
        let answer = self.http.ask(&self.get(path)).await?;
        self.heartbeat.record_activity(answer.host);
        self.understood(answer)
    }

    async fn all_names(&self) -> Result<BTreeSet<String>> {
        let answer = self.ask("/v1/catalog/services?stale=").await?;
        let names: BTreeMap<String, IgnoredAny> = answer.json()?;
        // Consul lists at least itself.
        if names.is_empty() && denies(&answer) {
            return Err(hidden());
        }
        Ok(names.into_keys().collect())
    }

    /// Fails if an empty response means a missing token: without one Consul returns empty lists, not errors.
    async fn permitted(&self, answer: &Answer) -> Result<()> {
        if self.identity.is_empty() && is_empty(answer) && denies(answer) {
            self.all_names().await?;
        }
        Ok(())
    }

    /// Fails unless the response is a success. Consul returns an empty list, not an error, if the token may not read
    /// the service.
    fn understood(&self, answer: Answer) -> Result<Answer> {
        let filtered = answer.headers.get("x-consul-results-filtered-by-acls");
        if filtered.is_some_and(|filtered| filtered == "true") && is_empty(&answer) {
            return Err(hidden());
        }
        answer.success().map_err(|error| match error.code() {
            Code::PermissionDenied => {
                error.context("a token is needed that may do this; name one by `token=`")
            }
            Code::ResourceExhausted => error.context(
                "the agent takes no more connections from here; raise its `limits.http_max_conns_per_client`, or \
                 share fewer by `connections=`",
            ),
            _ => error,
        })
    }
}

/// Whether the list or map of a response is empty.
fn is_empty(answer: &Answer) -> bool {
    answer.body.trim_ascii().len() <= 2
}

/// Whether requests without a token may do nothing.
fn denies(answer: &Answer) -> bool {
    let policy = answer.headers.get("x-consul-default-acl-policy");
    policy.is_some_and(|policy| policy == "deny")
}

fn hidden() -> Error {
    Error::permission_denied(
        "Consul hides the services; name a token with `service:read` and `node:read` by `token=`",
    )
}
