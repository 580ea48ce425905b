//! go-micro's HTTP broker: publishers post events to subscribers, found in the registry.

mod dispatcher;
mod envelope;
mod post;
mod publish;
mod style;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    Broker, BrokerParts, Event, Subscription,
    endpoint::{Port, SharedEndpoint},
    inbox::Feed,
    registrations::RegisteredSubscription,
};
use crate::{error::Result, net::io::host_of, node::Node, protocols::Socket};
use dispatcher::Dispatcher;
use publish::Publisher;
pub use style::Style;

/// How long a subscriber waits until publishers of its own process have discovered it.
const SEEN: Duration = Duration::from_secs(1);

/// go-micro's broker: an event is a `POST` to each subscriber.
///
/// A subscribing process listens on a port of its own, and registers each subscription with the
/// name of its [`Style`]. Set by `Plugins::http_broker` or
/// `--broker=http`; `--broker-address` is the address to listen on.
///
/// # Guarantees
/// - An event is delivered **at most once** to each subscription without a queue and to one member of each
///   queue. The next member of a queue is tried only if the previous one was not reached, or refused.
/// - `publish` returns how many subscriptions hold the event in memory. What happens there is not reported:
///   an event is lost if its handler fails or its process dies. [`Direct`](super::Direct) does better.
/// - Metadata, criticality and trace reach the handler.
/// - If the transport refuses plaintext (`--tls-require`, `--tls-client-ca`), so does the port of the
///   subscriptions, and their records have `secure=true`, as go-micro's do.
///
/// # Limitations
/// - A registered subscriber that cannot be reached is skipped, which is no error.
/// - Processes of go-micro discover each other only within one [`Style`]; ours can use several.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

/// Settings of the HTTP broker, each with its default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The address to listen on. By default any free port of `127.0.0.1`, which other machines cannot reach.
    pub address: String,
    /// The address to register, if it differs from the one to listen on.
    pub advertise: Option<String>,
    /// The versions of go-micro whose publishers can discover us. v2.5 and later.
    pub register: Vec<Style>,
    /// The versions of go-micro whose subscribers we publish to. v2.5 and later.
    pub discover: Vec<Style>,
    /// Events of a subscription, beyond which more are refused. 1,024.
    pub capacity: usize,
    /// How long a registration lasts without renewal. 60 s, as in go-micro.
    pub register_ttl: Duration,
    /// How often it is renewed. 30 s, as in go-micro; a third of `register_ttl` if this is more than half of it.
    pub register_interval: Duration,
    /// How long a closed subscription still receives events, while publishers notice. 1 s.
    pub deregister_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            address: "127.0.0.1:0".into(),
            advertise: None,
            register: vec![Style::V2],
            discover: vec![Style::V2],
            capacity: 1024,
            register_ttl: Duration::from_secs(60),
            register_interval: Duration::from_secs(30),
            deregister_delay: Duration::from_secs(1),
        }
    }
}

struct Inner {
    socket: Socket,
    settings: Settings,
    publisher: Publisher,
    endpoint: SharedEndpoint<Dispatcher>,
}

impl Http {
    /// Creates a broker whose subscribers are found in the registry of these parts, by the discovery of their balance loop, and
    /// reached by their socket.
    pub fn of(parts: BrokerParts, settings: Settings) -> Self {
        let (socket, balance) = (parts.socket().clone(), parts.balance().clone());
        let seed = balance.random();
        let publisher = Publisher::new(balance, socket.clone(), settings.discover.clone());
        let (ttl, interval) = (settings.register_ttl, settings.register_interval);
        let endpoint = SharedEndpoint::new(parts.registry().clone(), ttl, interval, seed);
        Http(Arc::new(Inner {
            socket,
            settings,
            publisher,
            endpoint,
        }))
    }
}

#[async_trait]
impl Broker for Http {
    fn name(&self) -> &str {
        "http"
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        self.0.publisher.publish(topic, event).await
    }

    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        let inner = &self.0;
        let address = &inner.settings.address;
        let named = [Some(&**address), inner.settings.advertise.as_deref()];
        let hosts: Vec<_> = named.into_iter().flatten().filter_map(host_of).collect();
        let listen = async |dispatcher: Arc<Dispatcher>| {
            let socket = &inner.socket;
            socket.listen_http(address, hosts.clone(), dispatcher).await
        };
        let port = inner.endpoint.port(listen).await?;
        let id = Node::random_id();
        let mut registered = Vec::new();
        let said = inner.settings.advertise.as_deref();
        let address = inner.endpoint.advertised(said, &port.address)?;
        let nodes = inner.nodes(topic, queue, &id, &address);
        let ids = nodes.iter().map(|node| node.id.clone()).collect();
        let feed = port.dispatcher.open(topic, ids, inner.settings.capacity);
        for node in nodes {
            registered.push(inner.endpoint.register(node.clone()).await?);
            let seen = inner.publisher.see(&node);
            let _ = tokio::time::timeout(SEEN, seen).await;
        }
        Ok(inner.subscription(feed, port, registered))
    }
}

impl Inner {
    /// The records of a subscription, one for each style.
    fn nodes(&self, topic: &str, queue: Option<&str>, id: &str, address: &str) -> Vec<Node> {
        let secure = self.socket.refuses_plaintext();
        let styles = self.settings.register.iter();
        styles
            .map(|style| style.node(topic, queue, id, address, secure))
            .collect()
    }

    fn subscription(
        self: &Arc<Self>,
        feed: Feed,
        port: Arc<Port<Dispatcher>>,
        registered: Vec<RegisteredSubscription>,
    ) -> Subscription {
        let inner = self.clone();
        let inbox = feed.inbox().clone();
        Subscription::new(feed, async move {
            let deregister_delay = inner.settings.deregister_delay;
            inbox.deregister(registered, deregister_delay).await;
            inbox.close();
            inbox.settled().await;
            if let Some(listener) = Arc::into_inner(port).and_then(|port| port.listener) {
                listener.close().await;
            }
        })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
