//! The sending side: the receivers of an event, to which the balance loop posts it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::{
    envelope,
    post::{Received, Subscriber},
    style::{BROADCAST, SECURE, SUBSCRIPTION, Style},
};
use crate::{
    balance::Balance,
    broker::Event,
    error::{Error, Outcome, Result},
    message::{Body, ContentType, Request, Target},
    node::Node,
    protocols::{Socket, mucp::ConnectionPool},
    time::NEVER,
    transport::Peer,
    worker,
};

/// How long publishing may take if the event has no deadline.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Processes to which connections are kept.
const LANES: usize = 1024;

/// Posts events to subscribers.
pub(super) struct Publisher {
    balance: Balance,
    socket: Socket,
    discover: Vec<Style>,
    /// By the number of the runtime, the address, and whether TLS is used.
    pools: Mutex<HashMap<(usize, String, bool), Arc<ConnectionPool>>>,
}

/// One subscription.
#[derive(Clone)]
struct Receiver {
    node: Arc<Node>,
    style: Style,
}

impl Publisher {
    pub(super) fn new(balance: Balance, socket: Socket, discover: Vec<Style>) -> Self {
        Publisher {
            balance,
            socket,
            discover,
            pools: Mutex::default(),
        }
    }

    /// Waits until a subscription is discovered, if publishers of this process already know its service.
    pub(super) async fn see(&self, node: &Node) {
        self.balance.see(&node.service, &node.id).await;
    }

    pub(super) async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        let left = event.context().time_left().unwrap_or(TIMEOUT);
        let posted = tokio::time::timeout(left, self.post_all(topic, &event)).await;
        posted.unwrap_or_else(|_| {
            let text = format!("topic `{topic}`: not every subscriber took the event in {left:?}");
            Err(Error::deadline_exceeded(text).with_outcome(Outcome::Unknown))
        })
    }

    async fn post_all(&self, topic: &str, event: &Event) -> Result<usize> {
        let groups = self.groups(topic, event).await?;
        let body = envelope::write(topic, &Node::random_id(), event);
        // They end with this call, if it is cancelled.
        let mut posts = JoinSet::new();
        for group in groups {
            posts.spawn(self.post_to_one(topic, group, &body)?);
        }
        let (mut received, mut failed) = (0, None);
        while let Some(ended) = posts.join_next().await {
            let posted = ended
                .map_err(|error| Error::internal("publishing was cut off").with_source(error))?;
            match posted {
                Ok(count) => received += count,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(received),
            Some(error) => Err(error
                .context(format_args!(
                    "topic `{topic}`: {received} received it, but not all"
                ))
                .with_outcome(Outcome::Unknown)),
        }
    }

    /// The receivers of an event: all without a queue, and one member of each group.
    async fn groups(&self, topic: &str, event: &Event) -> Result<Vec<Vec<Receiver>>> {
        let mut alone = Vec::new();
        let mut queues = BTreeMap::<String, Vec<Receiver>>::new();
        let mut seen = HashSet::new();
        for style in &self.discover {
            let nodes = match self
                .balance
                .nodes(&style.service(topic), event.context())
                .await
            {
                Ok(nodes) => nodes,
                Err(error) if error.has_no_nodes() => continue,
                Err(error) => return Err(error.context(format_args!("topic `{topic}`"))),
            };
            let members = nodes.snapshot().members().iter();
            for node in members.map(|member| &member.node) {
                let own = node.metadata.get(SUBSCRIPTION).unwrap_or(&node.id);
                if !style.is_of(topic, node) || !seen.insert(own.clone()) {
                    continue;
                }
                let receiver = Receiver {
                    node: node.clone(),
                    style: *style,
                };
                match &*node.version {
                    BROADCAST => alone.push(vec![receiver]),
                    queue => queues.entry(queue.to_owned()).or_default().push(receiver),
                }
            }
        }
        alone.extend(queues.into_values());
        Ok(alone)
    }

    /// Posts to one of a group, and to another if that is gone or refuses; returns how many received it.
    fn post_to_one(
        &self,
        topic: &str,
        group: Vec<Receiver>,
        body: &Bytes,
    ) -> Result<impl Future<Output = Result<usize>> + Send + use<>> {
        let Some(first) = group.first() else {
            return Err(Error::internal("a group has no members"));
        };
        let target = Target::new(first.style.service(topic), topic);
        let request = Request::new(target, ContentType::Json, Body::from(body.clone()));
        let received = Arc::new(Received::default());
        let members = group.iter().map(|one| {
            let path = one.style.target(&one.node.id);
            let pool = self.pool(&one.node)?;
            let peer = Subscriber::new(pool, path, &one.node.id, received.clone());
            Ok((one.node.clone(), Arc::new(peer) as Arc<dyn Peer>))
        });
        let members: Vec<_> = members.collect::<Result<_>>()?;
        // The publisher ends it in time.
        let answer = self.balance.call_one_of(members, request, NEVER);
        let size = group.len();
        Ok(async move {
            let answer = answer.await;
            // If the budget was spent, another member might still have received it.
            let were_all_asked = received.attempts() >= size;
            match answer {
                Ok(_) => Ok(received.count()),
                Err(_) if were_all_asked && received.is_nobody() => Ok(0),
                // Still registered, but gone: it is no subscriber any more.
                Err(error) if were_all_asked && error.outcome() == Outcome::NotSent => {
                    tracing::debug!(%error, "a subscriber was not reached");
                    Ok(0)
                }
                Err(error) => Err(error),
            }
        })
    }

    /// The connections of this thread's runtime to a process.
    fn pool(&self, node: &Node) -> Result<Arc<ConnectionPool>> {
        let said = node.metadata.get(SECURE);
        let secure = said.is_some_and(|said| said == "true");
        let key = (worker::current(), node.address.clone(), secure);
        let mut pools = self.pools.lock();
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let pool = self.socket.connection_pool(node, secure)?;
        if pools.len() >= LANES {
            pools.clear();
        }
        pools.insert(key, pool.clone());
        Ok(pool)
    }
}
