//! The sending side: who is to receive an event, and the post to each.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::{
    desk::RECEIVED,
    envelope,
    style::{BROADCAST, SECURE, SUBSCRIPTION, Style},
};
use crate::{
    balance::Balance,
    broker::Event,
    error::{Error, Outcome, Result},
    net::sent::Sent,
    node::Node,
    protocols::{
        Socket,
        mucp::{Exchange, Lane},
    },
    worker,
};

/// How long publishing may take where the event has no deadline.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Processes to which connections are kept.
const LANES: usize = 1024;

/// Posts events to subscribers.
pub(super) struct Publisher {
    balance: Balance,
    socket: Socket,
    discover: Vec<Style>,
    /// By the runtime's number, the address, and whether TLS is spoken there.
    lanes: Mutex<HashMap<(usize, String, bool), Arc<Lane>>>,
}

/// One subscription.
#[derive(Clone)]
struct Receiver {
    node: Arc<Node>,
    style: Style,
}

/// What came of a post.
enum Posted {
    /// So many took it.
    Received(usize),
    /// Nobody was there, or it was refused; another may be asked.
    NotDone(Error),
    /// It may have been taken.
    Unknown(Error),
}

impl Publisher {
    pub(super) fn new(balance: Balance, socket: Socket, discover: Vec<Style>) -> Self {
        Publisher {
            balance,
            socket,
            discover,
            lanes: Mutex::default(),
        }
    }

    /// Waits until a subscription is seen, if publishers of this process already look at its service.
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
        // They end with this call, if it is given up.
        let mut posts = JoinSet::new();
        for group in groups {
            let lanes = group.iter().map(|one| self.lane(&one.node));
            let lanes: Result<Vec<_>> = lanes.collect();
            posts.spawn(to_one(group, lanes?, body.clone()));
        }
        let (mut received, mut failed) = (0, None);
        while let Some(ended) = posts.join_next().await {
            let posted = ended
                .map_err(|error| Error::internal("publishing was cut off").with_source(error))?;
            match posted {
                Posted::Received(count) => received += count,
                Posted::NotDone(error) if error.outcome() == Outcome::NotSent => {
                    // Registered still, and gone: it is no subscriber any more.
                    tracing::debug!(%error, "a subscriber was not reached");
                }
                Posted::NotDone(error) | Posted::Unknown(error) => failed = Some(error),
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

    /// Who receives an event: each group one of its members, those of a queue in a random order.
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
        for members in queues.values_mut() {
            let turn = self.balance.random() as usize % members.len().max(1);
            members.rotate_left(turn);
        }
        alone.extend(queues.into_values());
        Ok(alone)
    }

    /// The connections of this thread's runtime to a process.
    fn lane(&self, node: &Node) -> Result<Arc<Lane>> {
        let said = node.metadata.get(SECURE);
        let secure = said.is_some_and(|said| said == "true");
        let key = (worker::current(), node.address.clone(), secure);
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(&key) {
            return Ok(lane.clone());
        }
        let lane = self.socket.lane(node, secure)?;
        if lanes.len() >= LANES {
            lanes.clear();
        }
        lanes.insert(key, lane.clone());
        Ok(lane)
    }
}

/// Posts to the first of a group that is there and does not refuse.
async fn to_one(group: Vec<Receiver>, lanes: Vec<Arc<Lane>>, body: Bytes) -> Posted {
    let mut last = Posted::Received(0);
    for (receiver, lane) in group.iter().zip(lanes) {
        last = post(receiver, &lane, body.clone()).await;
        match last {
            Posted::NotDone(_) | Posted::Received(0) => {}
            _ => break,
        }
    }
    last
}

async fn post(receiver: &Receiver, lane: &Arc<Lane>, body: Bytes) -> Posted {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::USER_AGENT, crate::http::USER_AGENT);
    let exchange = Exchange {
        target: &receiver.style.target(&receiver.node.id),
        headers: &headers,
        body,
        repeatable: false,
        sent: Sent::default(),
    };
    let (head, _) = match lane.exchange(exchange).await {
        Ok(answer) => answer,
        Err(error) if error.outcome() == Outcome::NotSent => return Posted::NotDone(error),
        Err(error) => return Posted::Unknown(error),
    };
    if head.status != StatusCode::OK {
        let text = format!(
            "subscriber `{}` answered with {}",
            receiver.node.id, head.status
        );
        let error = Error::unavailable(text).with_outcome(Outcome::Rejected);
        return Posted::NotDone(error);
    }
    // go-micro's say nothing, whether anybody was there or not.
    let count = head.headers.get(RECEIVED);
    let count = count.and_then(|count| count.to_str().ok()?.parse().ok());
    Posted::Received(count.unwrap_or(1))
}
