//! A broker made of the parts of a service: subscriptions stand in its registry, and its transport carries the events.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures_core::Stream;
use micro_core::{
    Broker, Call, ContentType, Error, Outcome, Request, Response, Result, Target,
    broker::{BrokerParts, Delivery, Event, Subscription},
    call::Answer,
    net::Listener,
    node::Node,
    transport::{Attempt, send},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

/// Events that a subscription holds before more are refused.
const CAPACITY: usize = 64;

/// Calls each subscriber with the event: **at most once**, nothing is delivered again.
///
/// Each subscription listens by itself and is a node of the service `fanout:TOPIC`. An event goes to every subscription
/// without a queue, and to one member of each queue: to the next one where a member could not be reached.
#[derive(Clone, Debug)]
pub struct Fanout {
    parts: BrokerParts,
    turn: Arc<AtomicUsize>,
}

impl Fanout {
    /// A broker made of these parts, as `Plugins::broker_from` gives them.
    pub fn of(parts: BrokerParts) -> Self {
        Fanout {
            parts,
            turn: Arc::default(),
        }
    }

    /// Delivers to the first of these nodes that can be reached.
    async fn deliver(&self, nodes: &[Node], topic: &str, event: &Event) -> Result<bool> {
        let from = self.turn.fetch_add(1, Relaxed);
        for at in 0..nodes.len() {
            let node = &nodes[(from + at) % nodes.len()];
            let (context, content_type, body) = event.clone().into_parts();
            let target = Target::new(service(topic), topic);
            let mut request = Request::new(target, content_type, body).with_context(context);
            let peer = self.parts.transport().open(node)?;
            let answer = match peer.connection() {
                Ok(connection) => send(connection, &mut request, Attempt::new()).await,
                Err(error) => Err(error),
            };
            match answer.map_err(|error| error.outcome()) {
                Ok(_) => return Ok(true),
                Err(Outcome::NotSent | Outcome::Rejected) => {}
                // It may have come: it must not be delivered twice.
                Err(_) => return Ok(true),
            }
        }
        Ok(false)
    }
}

fn service(topic: &str) -> String {
    format!("fanout:{topic}")
}

#[async_trait]
impl Broker for Fanout {
    fn name(&self) -> &str {
        "fanout"
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        let mut receivers: BTreeMap<(Option<String>, String), Vec<Node>> = BTreeMap::new();
        for node in self.parts.registry().get(&service(topic)).await? {
            let receiver = match node.metadata.get("queue") {
                Some(queue) => (Some(queue.clone()), String::new()),
                None => (None, node.id.clone()),
            };
            receivers.entry(receiver).or_default().push(node);
        }
        let mut count = 0;
        for nodes in receivers.values() {
            count += usize::from(self.deliver(nodes, topic, &event).await?);
        }
        Ok(count)
    }

    async fn subscribe(&self, topic: &str, queue: Option<&str>) -> Result<Subscription> {
        let transport = self.parts.transport();
        let (events, deliveries) = mpsc::channel(CAPACITY);
        let (in_hand, settled) = watch::channel(0);
        let inbox = Inbox {
            topic: topic.into(),
            events,
            in_hand: Arc::new(in_hand),
        };
        let listener = transport.listen(transport.default_address(), Arc::new(inbox));
        let listener = listener.await?;
        let mut node = Node::new(service(topic), Node::random_id(), listener.address())
            .with_metadata("protocols", transport.protocols().join(","))
            .with_metadata("transport", transport.name());
        for (name, value) in transport.metadata() {
            node = node.with_metadata(name, value);
        }
        if let Some(queue) = queue {
            node = node.with_metadata("queue", queue);
        }
        self.parts.registry().register(&node, None).await?;
        let member = Member {
            parts: self.parts.clone(),
            node: Some(node),
            listener,
        };
        Ok(Subscription::new(
            Deliveries(deliveries),
            member.leave(settled),
        ))
    }
}

/// Takes the events of one subscription.
struct Inbox {
    topic: Arc<str>,
    events: mpsc::Sender<Delivery>,
    /// Events that are not acknowledged.
    in_hand: Arc<watch::Sender<usize>>,
}

impl Call for Inbox {
    fn call(&self, mut request: Request) -> Answer {
        let body = request.body_mut().take().into_bytes();
        let context = request.context().clone();
        let content_type = request.content_type().clone();
        let answer = body.and_then(|body| {
            let event = Event::new(content_type, body).with_context(context);
            self.in_hand.send_modify(|count| *count += 1);
            let in_hand = self.in_hand.clone();
            let settle = move |_| in_hand.send_modify(|count| *count -= 1);
            let delivery = Delivery::new(self.topic.clone(), event, settle);
            let full = |_| Error::resource_exhausted("the subscription holds no more events");
            let taken = self.events.try_send(delivery).map_err(full);
            taken.map_err(|error| error.with_outcome(Outcome::Rejected))
        });
        let answer = answer.map(|()| Response::new(ContentType::Bytes, bytes::Bytes::new()));
        Box::pin(async { answer })
    }
}

/// A subscription's node in the registry and what listens for it.
struct Member {
    parts: BrokerParts,
    /// Until it is deregistered.
    node: Option<Node>,
    listener: Box<dyn Listener>,
}

impl Member {
    /// Ends in order: deregisters, takes no more, and waits for what is in hand.
    async fn leave(mut self, mut in_hand: watch::Receiver<usize>) {
        if let Some(node) = self.node.take() {
            // A record that stays is found out by the next publisher.
            let _ = self.parts.registry().deregister(&node).await;
        }
        self.listener.go_away().await;
        let _ = in_hand.wait_for(|count| *count == 0).await;
        self.listener.close().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Where no runtime is left, the process ends.
        if let (Some(node), Ok(runtime)) = (self.node.take(), Handle::try_current()) {
            let registry = self.parts.registry().clone();
            runtime.spawn(async move { registry.deregister(&node).await });
        }
    }
}

struct Deliveries(mpsc::Receiver<Delivery>);

impl Stream for Deliveries {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.0.poll_recv(cx)
    }
}
