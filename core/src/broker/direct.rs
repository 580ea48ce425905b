//! The default broker: publishers call subscribers, found in the registry, without a server.

mod dispatcher;
mod pending;
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
use parking_lot::Mutex;

use super::{
    Broker, BrokerParts, Event, Subscription,
    endpoint::{Port, SharedEndpoint},
    inbox::Feed,
    registrations::RegisteredSubscription,
};
pub use crate::message::TOPICS;
use crate::{
    call::Call,
    error::Result,
    node::Node,
    transport::{Transport, addressee::IdentityCheck},
};
use dispatcher::Dispatcher;
use publish::Plans;

/// How long the last acknowledgements may take to reach their publishers when a port closes.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a subscriber waits until publishers of its own process have discovered it.
const SEEN: Duration = Duration::from_secs(1);

/// Publishers call subscribers directly, so there is no server, and nothing is stored.
///
/// The subscribers of a service are reached at the service's own port and address; a process without one listens at a
/// port of its own. Each subscription is a node of the service `topic:NAME` in the registry. Publishing is a call to
/// every subscription without a queue and to one member of each queue, by the same loop as any call.
///
/// # Guarantees
/// - `publish` returns the number of receivers. It returns 0 at once if the registry has no subscriber.
/// - `publish` ends when each receiver has acknowledged the event or failed once, and a failure is no error of `publish`.
///   With a deadline it waits for at most half the time left, otherwise for 5 s; delivery then continues in the background.
/// - An event that was not acknowledged (the handler failed, took longer than [`Settings::ack_wait`], was at its limit, or
///   the node died) is delivered again after 100 ms, 200 ms and so on up to 10 s, to another member of the queue or to the
///   same one, until it is acknowledged: **at least once**, while the publisher's process lives. After
///   [`Settings::redeliver_for`] it is dropped, logged and counted in [`Direct::stats`].
/// - The publisher's criticality, trace and metadata reach the handler; its deadline and its attempts do not.
/// - A publisher holds at most 10,000 events that are not acknowledged, and 64 MiB of them; beyond that `publish` fails with
///   `ResourceExhausted`, *not sent*. A subscription holds at most 64 events at a time.
///
/// # Limitations
/// - Events are in memory: those that a publisher still holds when its process ends are lost
///   ([`flush`](Broker::flush) waits for them, and a service that stops does so within its drain limit).
/// - A subscriber that has not subscribed when an event is published, or is not discovered yet, misses it. So does a
///   subscriber without a queue that leaves or dies before it has acknowledged.
/// - Events are not ordered, neither for one subscriber nor between subscribers.
/// - An event may be handled twice: by a member that was slow or cancelled, and then by another.
#[derive(Clone)]
pub struct Direct(Arc<Inner>);

/// Settings of the direct broker, each with its default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The address to listen on: `host:port` or `unix:PATH`. By default the port of the service that subscribes;
    /// without a service, any free port of `127.0.0.1`, which other machines cannot reach.
    pub address: Option<String>,
    /// The address to register, if it differs from the one to listen on.
    pub advertise: Option<String>,
    /// Distinguishes this process's subscriptions from others in the registry, like a service's id.
    /// Random by default.
    pub id: Option<String>,
    /// Unacknowledged events of a subscription, beyond which more are refused. 64.
    pub concurrency: usize,
    /// How long a handler may take before its event is delivered again. 30 s, as in NATS JetStream.
    pub ack_wait: Duration,
    /// How long an unacknowledged event is delivered again. 5 min.
    pub redeliver_for: Duration,
    /// How long a registration lasts without renewal. 60 s, as for services.
    pub register_ttl: Duration,
    /// How often it is renewed. 30 s, as for services; a third of `register_ttl` if this is more than half of it.
    pub register_interval: Duration,
    /// How long a closed subscription still receives events, while publishers notice. 1 s.
    pub deregister_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            address: None,
            advertise: None,
            id: None,
            concurrency: 64,
            ack_wait: Duration::from_secs(30),
            redeliver_for: Duration::from_secs(300),
            register_ttl: Duration::from_secs(60),
            register_interval: Duration::from_secs(30),
            deregister_delay: Duration::from_secs(1),
        }
    }
}

struct Inner {
    transport: Arc<dyn Transport>,
    settings: Settings,
    plans: Plans,
    endpoint: SharedEndpoint<Dispatcher>,
    /// The port of a service, while one of its subscribers may use it.
    attached: Mutex<Option<Arc<Port<Dispatcher>>>>,
    /// The number of subscriptions so far.
    count: AtomicU64,
}

impl Direct {
    /// Creates a broker whose subscribers are found in the registry of these parts, listen by their transport and are called by
    /// their balance loop.
    pub fn of(parts: BrokerParts, settings: Settings) -> Self {
        let seed = parts.balance().random();
        let (ttl, interval) = (settings.register_ttl, settings.register_interval);
        let endpoint = SharedEndpoint::new(parts.registry().clone(), ttl, interval, seed);
        Direct(Arc::new(Inner {
            transport: parts.transport().clone(),
            plans: Plans::new(parts.balance().clone(), &settings),
            settings,
            endpoint,
            attached: Mutex::default(),
            count: AtomicU64::new(0),
        }))
    }
}

impl Direct {
    /// Returns the counts of the events published here.
    pub fn stats(&self) -> Stats {
        self.0.plans.stats()
    }
}

/// Counts of a [`Direct`] broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events that are not acknowledged yet.
    pub pending: usize,
    /// Deliveries of an event to a receiver after the first.
    pub redelivered: u64,
    /// Events dropped for a receiver.
    pub dropped: u64,
}

/// The service name of the subscriptions to a topic.
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
        let address = inner.settings.address.as_deref();
        let address = address.unwrap_or(inner.transport.default_address());
        let listen =
            async |dispatcher: Arc<Dispatcher>| inner.transport.listen(address, dispatcher).await;
        let port = inner.endpoint.port(listen).await?;
        let said = inner.settings.advertise.as_deref();
        let address = inner.endpoint.advertised(said, &port.address)?;
        let node = inner.node(topic, queue, &address);
        let feed = port
            .dispatcher
            .open(topic, queue, &node.id, inner.settings.concurrency);
        let (id, service) = (node.id.clone(), node.service.clone());
        let registered = inner.endpoint.register(node).await?;
        let _ = tokio::time::timeout(SEEN, inner.plans.see(&service, &id)).await;
        Ok(inner.subscription(feed, port, registered))
    }

    async fn flush(&self) {
        self.0.plans.flush().await;
    }

    fn attach(&self, address: &str) -> Option<Arc<dyn Call>> {
        if self.0.settings.address.is_some() {
            return None;
        }
        let port = self.0.endpoint.attach(address);
        let dispatcher = port.dispatcher.clone();
        *self.0.attached.lock() = Some(port);
        Some(dispatcher)
    }
}

impl Inner {
    fn node(&self, topic: &str, queue: Option<&str>, address: &str) -> Node {
        let service = service(topic);
        let id = match &self.settings.id {
            Some(id) => format!("{service}-{id}-{}", self.count.fetch_add(1, Relaxed)),
            None => format!("{service}-{}", Node::random_id()),
        };
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
        IdentityCheck::Port.write(&mut node);
        node
    }

    fn subscription(
        self: &Arc<Self>,
        feed: Feed,
        port: Arc<Port<Dispatcher>>,
        registered: RegisteredSubscription,
    ) -> Subscription {
        let inner = self.clone();
        let inbox = feed.inbox().clone();
        Subscription::new(feed, async move {
            let deregister_delay = inner.settings.deregister_delay;
            inbox.deregister(vec![registered], deregister_delay).await;
            port.dispatcher.close(&inbox);
            inbox.settled().await;
            if let Some(listener) = Arc::into_inner(port).and_then(|port| port.listener) {
                listener.go_away().await;
                let _ = tokio::time::timeout(FAREWELL, listener.drained()).await;
                listener.close().await;
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
