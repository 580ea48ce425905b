//! Subscribers: each event passes the same layers as a call, to a handler of the same router.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    broker::{Broker, Delivery, Subscription},
    call::Call,
    error::Result,
    message::{Request, Target},
};

/// Events of one subscription that are handled at a time; the broker keeps the others. As many as
/// [`Direct`](crate::broker::Direct) delivers to a subscription.
const AT_WORK: usize = 64;

/// A topic to subscribe to, and the endpoint that handles its events.
#[derive(Clone, Debug)]
pub struct Topic {
    /// The topic.
    pub name: String,
    /// The queue, of which one member gets each event.
    pub queue: Option<String>,
}

impl Topic {
    /// The name of the endpoint: `topic:NAME`, with a queue `topic:NAME/QUEUE`.
    pub fn endpoint(&self) -> String {
        let name = &self.name;
        match &self.queue {
            None => format!("topic:{name}"),
            Some(queue) => format!("topic:{name}/{queue}"),
        }
    }
}

/// The subscriptions of a running service. Dropping it cancels their handlers.
pub struct Subscribers {
    tasks: JoinSet<()>,
    leave: watch::Sender<bool>,
}

impl Subscribers {
    /// Subscribes to every topic. Events go to `call` as requests for `service`, on these runtimes in
    /// turn, or on the current one if there are none.
    pub async fn start(
        broker: &dyn Broker,
        topics: Vec<Topic>,
        service: &str,
        call: Arc<dyn Call>,
        runtimes: &[Handle],
    ) -> Result<Self> {
        let mut subscribers = Subscribers {
            tasks: JoinSet::new(),
            leave: watch::Sender::new(false),
        };
        for topic in topics {
            let subscription = broker
                .subscribe(&topic.name, topic.queue.as_deref())
                .await
                .map_err(|error| {
                    error.context(format_args!("cannot subscribe to `{}`", topic.name))
                })?;
            let worker = QueueWorker {
                target: Target::new(service, topic.endpoint()),
                call: call.clone(),
                runtimes: runtimes.to_vec(),
                tasks: JoinSet::new(),
                turn: 0,
            };
            let leave = subscribers.leave.subscribe();
            subscribers.tasks.spawn(worker.run(subscription, leave));
        }
        Ok(subscribers)
    }

    /// Ends every subscription; received events are handled, for at most `limit`.
    pub async fn stop(mut self, limit: Duration) {
        self.leave.send_replace(true);
        let until = Instant::now() + limit;
        while !self.tasks.is_empty() {
            if timeout_at(until, self.tasks.join_next()).await.is_err() {
                tracing::warn!(?limit, "events at work were not handled in time");
                return;
            }
        }
    }
}

/// Handles the events of one subscription.
struct QueueWorker {
    target: Target,
    call: Arc<dyn Call>,
    runtimes: Vec<Handle>,
    tasks: JoinSet<()>,
    turn: usize,
}

impl QueueWorker {
    async fn run(mut self, subscription: Subscription, mut leave: watch::Receiver<bool>) {
        let (mut deliveries, mut close) = subscription.into_parts();
        let (mut ended, mut closing, mut closed) = (false, false, false);
        while !(ended && self.tasks.is_empty() && (closed || !closing)) {
            tokio::select! {
                // The end comes first in this order, so that a constant flow of events does not delay it.
                biased;
                _ = leave.wait_for(|leave| *leave), if !closing => closing = true,
                () = &mut close, if closing && !closed => closed = true,
                Some(_) = self.tasks.join_next() => {}
                delivery = next(&mut deliveries), if !ended && self.tasks.len() < AT_WORK => {
                    match delivery {
                        Some(delivery) => self.begin(delivery),
                        None => ended = true,
                    }
                }
            }
        }
        if !closing {
            let endpoint = self.target.endpoint();
            tracing::warn!(endpoint, "the broker ended a subscription");
        }
    }

    fn begin(&mut self, delivery: Delivery) {
        let work = handle(delivery, self.call.clone(), self.target.clone());
        self.turn += 1;
        match self.runtimes.get(self.turn % self.runtimes.len().max(1)) {
            None => self.tasks.spawn(work),
            Some(runtime) => self.tasks.spawn_on(work, runtime),
        };
    }
}

async fn next(deliveries: &mut crate::broker::Deliveries) -> Option<Delivery> {
    std::future::poll_fn(|cx| deliveries.as_mut().poll_next(cx)).await
}

/// Acknowledges an event if its handler succeeds.
async fn handle(delivery: Delivery, call: Arc<dyn Call>, target: Target) {
    let (context, content_type, body) = delivery.event().clone().into_parts();
    let request = Request::new(target, content_type, body).with_context(context);
    match call.call(request).await {
        Ok(_) => delivery.ack(),
        Err(error) => {
            tracing::debug!(topic = delivery.topic(), %error, "an event was not handled");
            delivery.nack(error);
        }
    }
}
