//! The sending side: the receivers of an event, and the call to each.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Settings, Stats, dispatcher,
    pending::{Pending, Reservation},
    service,
};
use crate::{
    balance::{Balance, Nodes, Options},
    broker::Event,
    call::Call,
    context::Relay,
    error::{Error, Outcome, Result},
    message::{Request, Target},
    node::Node,
    selector::{Filter, filter},
};

/// Topics whose receivers are remembered.
const TOPICS: usize = 4096;

/// How long a publisher without a deadline waits for acknowledgements.
const WAIT: Duration = Duration::from_secs(5);
/// The wait before an event is delivered again: the first, doubled each time, and the longest.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// The receivers of each topic, and the deliveries in progress.
pub(super) struct Plans {
    shared: Arc<Shared>,
    known: Mutex<HashMap<String, Arc<Plan>>>,
    /// A task for each receiver of an event that is not acknowledged; they end with this.
    deliveries: Mutex<JoinSet<()>>,
}

/// What deliveries need.
struct Shared {
    balance: Balance,
    pending: Arc<Pending>,
    ack_wait: Duration,
    redeliver_for: Duration,
}

/// The receivers of a topic, valid while its nodes stay the same.
struct Plan {
    nodes: Arc<Nodes>,
    receivers: Vec<Arc<Receiver>>,
}

/// A call that delivers an event.
struct Receiver {
    who: Recipient,
    target: Target,
    options: Options,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Recipient {
    /// A subscription without a queue, by its node's id.
    Node(String),
    /// A queue, by its name.
    Queue(String),
}

impl Plans {
    pub(super) fn new(balance: Balance, settings: &Settings) -> Self {
        Plans {
            shared: Arc::new(Shared {
                balance,
                pending: Arc::default(),
                ack_wait: settings.ack_wait,
                redeliver_for: settings.redeliver_for,
            }),
            known: Mutex::default(),
            deliveries: Mutex::default(),
        }
    }

    /// Waits until a node is discovered, if publishers of this process already know its topic.
    pub(super) async fn see(&self, service: &str, id: &str) {
        self.shared.balance.see(service, id).await;
    }

    /// Waits until there is no delivery in progress.
    pub(super) async fn flush(&self) {
        self.shared.pending.none().await;
    }

    pub(super) fn stats(&self) -> Stats {
        self.shared.pending.stats()
    }

    pub(super) async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        let wait = event.context().time_left().map_or(WAIT, |left| left / 2);
        let until = Instant::now() + wait;
        let service = service(topic);
        let nodes = match self.shared.balance.nodes(&service, event.context()).await {
            Ok(nodes) => nodes,
            Err(error) if error.has_no_nodes() => return Ok(0),
            Err(error) => return Err(error.context(format_args!("topic `{topic}`"))),
        };
        let plan = self.plan(topic, &service, nodes);
        if plan.receivers.is_empty() {
            return Ok(0);
        }
        let reserved = self.shared.pending.reserve(event.body().len());
        let reserved = reserved.map_err(|error| error.context(format_args!("topic `{topic}`")))?;
        let firsts = self.begin(&service, &plan, event.detached(), &reserved);
        drop(reserved);
        let mut received = 0;
        for first in firsts {
            // Deliveries that take longer continue in the background.
            let left = matches!(timeout_at(until, first).await, Ok(Ok(FirstDelivery::Left)));
            received += usize::from(!left);
        }
        Ok(received)
    }

    /// Starts to deliver an event to each receiver; returns where the result of each first delivery is received.
    fn begin(
        &self,
        service: &str,
        plan: &Plan,
        event: Event,
        reserved: &Arc<Reservation>,
    ) -> Vec<oneshot::Receiver<FirstDelivery>> {
        let mut deliveries = self.deliveries.lock();
        while deliveries.try_join_next().is_some() {}
        let receivers = plan.receivers.iter();
        let firsts = receivers.map(|receiver| {
            let (sender, first) = oneshot::channel();
            let (shared, receiver) = (self.shared.clone(), receiver.clone());
            let (service, event, reserved) = (service.to_owned(), event.clone(), reserved.clone());
            deliveries.spawn(shared.deliver(service, receiver, event, reserved, sender));
            first
        });
        firsts.collect()
    }

    /// The receivers among these nodes, remembered for the next event.
    fn plan(&self, topic: &str, service: &str, nodes: Arc<Nodes>) -> Arc<Plan> {
        let mut known = self.known.lock();
        let before = known.get(topic);
        if let Some(plan) = before.filter(|plan| Arc::ptr_eq(&plan.nodes, &nodes)) {
            return plan.clone();
        }
        let members = nodes.snapshot().members().iter();
        let who: BTreeSet<_> = members.map(|member| Recipient::of(&member.node)).collect();
        let receivers = who.into_iter().map(|who| {
            let same = |receiver: &&Arc<Receiver>| receiver.who == who;
            let kept = before.and_then(|plan| plan.receivers.iter().find(same).cloned());
            kept.unwrap_or_else(|| Arc::new(Receiver::new(service, who)))
        });
        let receivers = receivers.collect();
        let plan = Arc::new(Plan { nodes, receivers });
        if known.len() >= TOPICS {
            known.clear();
        }
        known.insert(topic.to_owned(), plan.clone());
        plan
    }
}

/// The result of the first delivery to a receiver.
enum FirstDelivery {
    Acknowledged,
    /// It will be delivered again.
    Failed,
    /// The receiver has left meanwhile.
    Left,
}

/// Reports the result of the first delivery, once.
fn tell(first: &mut Option<oneshot::Sender<FirstDelivery>>, how: FirstDelivery) {
    if let Some(first) = first.take() {
        // The publisher may have gone on.
        let _ = first.send(how);
    }
}

impl Shared {
    /// Delivers an event to a receiver until it is acknowledged, the receiver has left, or the time is over;
    /// reports the result of the first delivery.
    async fn deliver(
        self: Arc<Self>,
        service: String,
        receiver: Arc<Receiver>,
        event: Event,
        _reserved: Arc<Reservation>,
        first: oneshot::Sender<FirstDelivery>,
    ) {
        let mut first = Some(first);
        let until = Instant::now() + self.redeliver_for;
        let mut rest = REST.0;
        loop {
            let Err(error) = self.call(&receiver, &event).await else {
                return tell(&mut first, FirstDelivery::Acknowledged);
            };
            if self.has_left(&service, &receiver, &error, first.is_some()) {
                return tell(&mut first, FirstDelivery::Left);
            }
            tell(&mut first, FirstDelivery::Failed);
            if Instant::now() + rest >= until {
                self.pending.drops();
                let topic = service.strip_prefix(crate::message::TOPICS);
                tracing::warn!(topic, receiver = %receiver.who, %error, "an event is dropped: it was never acknowledged");
                return;
            }
            self.pending.redelivers();
            sleep(jittered(rest, self.balance.random())).await;
            rest = (rest * 2).min(REST.1);
        }
    }

    fn call(
        &self,
        receiver: &Receiver,
        event: &Event,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let context = event
            .context()
            .child(&Relay::default())
            .with_timeout(self.ack_wait);
        let mut request = Request::new(
            receiver.target.clone(),
            event.content_type().clone(),
            event.body().clone(),
        )
        .with_context(context)
        .idempotent(matches!(receiver.who, Recipient::Queue(_)));
        request.extensions_mut().insert(receiver.options.clone());
        let answer = self.balance.call(request);
        async move { answer.await.map(drop) }
    }

    /// Whether a receiver has left: one without a queue for good, a queue as if it had not been there when the event
    /// was published.
    fn has_left(&self, service: &str, receiver: &Receiver, error: &Error, is_first: bool) -> bool {
        let nothing_done = matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected);
        let may_have = match receiver.who {
            Recipient::Node(_) => nothing_done || error.outcome() == Outcome::Unknown,
            Recipient::Queue(_) => nothing_done && is_first,
        };
        may_have && !self.balance.any(service, |node| receiver.who.is(node))
    }
}

/// A random duration between half of it and all of it.
fn jittered(rest: Duration, random: u64) -> Duration {
    let half = rest / 2;
    half + half.mul_f64(random as f64 / u64::MAX as f64)
}

impl Receiver {
    fn new(service: &str, who: Recipient) -> Self {
        let (endpoint, filter): (_, Arc<dyn Filter>) = match &who {
            Recipient::Node(id) => (dispatcher::of_node(id), Arc::new(NodeFilter::new(id))),
            Recipient::Queue(queue) => (
                dispatcher::of_queue(queue),
                filter::metadata("queue", queue),
            ),
        };
        let options = Options {
            filter: Some(filter),
            // Handlers of events take their time, and a second delivery is the last resort.
            patient: true,
            ..Options::default()
        };
        Receiver {
            who,
            target: Target::new(service, endpoint),
            options,
        }
    }
}

impl Recipient {
    fn of(node: &Node) -> Self {
        match node.metadata.get("queue") {
            Some(queue) => Recipient::Queue(queue.clone()),
            None => Recipient::Node(node.id.clone()),
        }
    }

    fn is(&self, node: &Node) -> bool {
        match self {
            Recipient::Node(id) => node.id == *id,
            Recipient::Queue(queue) => node.metadata.get("queue") == Some(queue),
        }
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Recipient::Node(id) => write!(f, "subscriber `{id}`"),
            Recipient::Queue(queue) => write!(f, "queue `{queue}`"),
        }
    }
}

/// A filter that passes one node.
struct NodeFilter {
    key: String,
    id: String,
}

impl NodeFilter {
    fn new(id: &str) -> Self {
        NodeFilter {
            key: format!("id={id:?}"),
            id: id.to_owned(),
        }
    }
}

impl Filter for NodeFilter {
    fn key(&self) -> &str {
        &self.key
    }

    fn keep(&self, node: &Node) -> bool {
        node.id == self.id
    }
}
