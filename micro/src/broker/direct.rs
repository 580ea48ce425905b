//! The default broker: publishers call subscribers, found in the registry. No server.

mod desk;
mod publish;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Broker, Event, Subscription,
    door::{Door, Port},
    registrations::Registered,
};
use crate::{
    balance::Balance,
    error::Result,
    registry::{Node, Registry},
    transport::Transport,
};
use desk::{Desk, Feed};
use publish::Plans;

/// How long the last acknowledgements may take to reach their publishers when a port closes.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a subscriber waits until publishers of its own process see it.
const SEEN: Duration = Duration::from_secs(1);

/// Publishers call subscribers themselves, so that there is no server, and nothing is stored.
///
/// A process that subscribes listens once, on a port of its own, and each subscription is a node of
/// the service `topic:NAME` in the registry. Publishing is a call to every subscription without a
/// queue and to one member of each queue, by the same loop as any call, with the same retry budget.
///
/// # What it promises
/// - When `publish` gives a number, so many have **acknowledged**: their handlers have succeeded.
///   Zero, when the registry shows no subscriber, takes no waiting.
/// - A member of a queue that fails, is full or dies before it has acknowledged is followed by another,
///   while there are time, attempts (four) and retry budget: **at least once**. One that is silent is
///   given half the time that is left, so that a hung one does not cost the event.
/// - Otherwise `publish` fails, and says how many had acknowledged. Its outcome tells whether to publish
///   again can deliver twice.
/// - The publisher's deadline, criticality, trace and metadata reach the handler.
/// - A subscription holds at most 64 events at a time. One more is rejected, and goes to another member
///   or waits until there is room, as long as its publisher has time and retry budget.
///
/// # What it does not
/// - Nothing is kept: who has not subscribed when an event is published, or is not yet seen to have,
///   misses it. So does a subscriber without a queue that leaves or dies while it is called; it is no
///   longer counted, and no error. One that fails is: it is not asked twice.
/// - No order, between events or between subscribers.
/// - An event may be handled twice: by one member that was slow or cut off, then by another.
#[derive(Clone)]
pub struct Direct(Arc<Inner>);

/// Numbers of the direct broker, each with its default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where a process that subscribes listens: `host:port` or `unix:PATH`. Any free port of
    /// `127.0.0.1`, or where a transport without ports listens by default; other machines need another.
    pub address: String,
    /// The address to register, where that differs from the one it listens at.
    pub advertise: Option<String>,
    /// What tells this process's subscriptions from others' in the registry, as a service's id does.
    /// Random for each.
    pub id: Option<String>,
    /// Events that a subscription holds unacknowledged before more are rejected. 64.
    pub concurrency: usize,
    /// For how long a registration lasts unrenewed. 60 s, as a service's.
    pub register_ttl: Duration,
    /// How often it is renewed. 30 s, as a service's.
    pub register_interval: Duration,
    /// How long a subscription that was closed takes events on, until every publisher has heard. 1 s.
    pub propagation: Duration,
}

/// Where it listens when nothing is said.
const ANY_PORT: &str = "127.0.0.1:0";

impl Default for Settings {
    fn default() -> Self {
        Settings {
            address: ANY_PORT.into(),
            advertise: None,
            id: None,
            concurrency: 64,
            register_ttl: Duration::from_secs(60),
            register_interval: Duration::from_secs(30),
            propagation: Duration::from_secs(1),
        }
    }
}

struct Inner {
    transport: Arc<dyn Transport>,
    settings: Settings,
    plans: Plans,
    door: Door<Desk>,
    /// Subscriptions so far.
    count: AtomicU64,
}

impl Direct {
    /// A broker whose subscribers are found in `registry`, listen by `transport` and are called by `balance`.
    pub(crate) fn new(
        registry: Arc<dyn Registry>,
        transport: Arc<dyn Transport>,
        balance: Balance,
        settings: Settings,
    ) -> Self {
        let (ttl, interval) = (settings.register_ttl, settings.register_interval);
        let door = Door::new(registry, ttl, interval);
        Direct(Arc::new(Inner {
            transport,
            settings,
            plans: Plans::new(balance),
            door,
            count: AtomicU64::new(0),
        }))
    }
}

/// What the names begin with that subscriptions are registered under: `topic:NAME`.
pub const TOPICS: &str = "topic:";

/// The name that subscriptions to a topic are registered under.
fn service(topic: &str) -> String {
    format!("{TOPICS}{topic}")
}

#[async_trait]
impl Broker for Direct {
    fn name(&self) -> &str {
        "direct"
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        self.0.plans.publish(topic, event).await
    }

    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        let inner = &self.0;
        let address = match &*inner.settings.address {
            // Another transport has addresses of its own.
            ANY_PORT => inner.transport.default_address(),
            address => address,
        };
        let listen = async |desk: Arc<Desk>| inner.transport.listen(address, desk).await;
        let port = inner.door.port(listen).await?;
        let node = inner.node(topic, queue, &port.listener.address());
        let feed = port
            .desk
            .open(topic, queue, &node.id, inner.settings.concurrency);
        let (id, service) = (node.id.clone(), node.service.clone());
        let registered = inner.door.register(node).await?;
        let _ = tokio::time::timeout(SEEN, inner.plans.see(&service, &id)).await;
        Ok(inner.subscription(feed, port, registered))
    }
}

impl Inner {
    fn node(&self, topic: &str, queue: Option<&str>, bound: &str) -> Node {
        let service = service(topic);
        let id = match &self.settings.id {
            Some(id) => format!("{service}-{id}-{}", self.count.fetch_add(1, Relaxed)),
            None => format!("{service}-{}", Node::random_id()),
        };
        let address = self.settings.advertise.as_deref().unwrap_or(bound);
        let mut node = Node::new(service, id, address)
            .with_metadata("broker", "direct")
            .with_metadata("protocols", self.transport.protocols().join(","))
            .with_metadata("transport", self.transport.name())
            .with_metadata("topic", topic);
        for (name, value) in self.transport.metadata() {
            node = node.with_metadata(name, value);
        }
        if let Some(queue) = queue {
            node = node.with_metadata("queue", queue);
        }
        node
    }

    fn subscription(
        self: &Arc<Self>,
        feed: Feed,
        port: Arc<Port<Desk>>,
        registered: Registered,
    ) -> Subscription {
        let inner = self.clone();
        let inbox = feed.inbox().clone();
        Subscription::new(feed, async move {
            registered.end().await;
            if inbox.is_open() {
                tokio::time::sleep(inner.settings.propagation).await;
            }
            port.desk.close(&inbox);
            inbox.settled().await;
            if let Some(port) = Arc::into_inner(port) {
                port.listener.go_away().await;
                let _ = tokio::time::timeout(FAREWELL, port.listener.drained()).await;
                port.listener.close().await;
            }
        })
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
