//! The sending side: who is to receive an event, and the call to each.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::{desk, service};
use crate::{
    balance::{Balance, Nodes, Options},
    broker::Event,
    call::Call,
    context::Relay,
    error::{Error, Outcome, Result},
    message::{Request, Target},
    registry::Node,
    selector::{Filter, filter},
};

/// Topics whose receivers are remembered.
const TOPICS: usize = 4096;

/// Who receives what is published, by topic.
pub(super) struct Plans {
    balance: Balance,
    known: Mutex<HashMap<String, Arc<Plan>>>,
}

/// The receivers of a topic, while its nodes stay as they are.
struct Plan {
    nodes: Arc<Nodes>,
    receivers: Vec<Arc<Receiver>>,
}

/// One call that publishing makes.
struct Receiver {
    who: Who,
    target: Target,
    options: Options,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// A subscription without a queue, by its node's id.
    Node(String),
    /// A queue, by its name.
    Queue(String),
}

impl Plans {
    pub(super) fn new(balance: Balance) -> Self {
        Plans {
            balance,
            known: Mutex::default(),
        }
    }

    /// Waits until a node is seen, if publishers of this process already look at its topic.
    pub(super) async fn see(&self, service: &str, id: &str) {
        self.balance.see(service, id).await;
    }

    pub(super) async fn publish(&self, topic: &str, event: Event) -> Result<usize> {
        let service = service(topic);
        let nodes = match self.balance.nodes(&service, event.context()).await {
            Ok(nodes) => nodes,
            Err(error) if error.has_no_nodes() => return Ok(0),
            Err(error) => return Err(error.context(format_args!("topic `{topic}`"))),
        };
        let plan = self.plan(topic, &service, nodes);
        let mut tally = Tally::default();
        if let [only] = &*plan.receivers {
            let answer = self.call(only, &event).await;
            self.count(&mut tally, &service, only, answer);
        } else {
            // They end with this call, if it is given up.
            let mut calls = JoinSet::new();
            for receiver in &plan.receivers {
                let call = self.call(receiver, &event);
                let receiver = receiver.clone();
                calls.spawn(async move { (receiver, call.await) });
            }
            while let Some(ended) = calls.join_next().await {
                let (receiver, answer) = ended.map_err(|error| {
                    Error::internal("publishing was cut off").with_source(error)
                })?;
                self.count(&mut tally, &service, &receiver, answer);
            }
        }
        tally.result(topic)
    }

    fn call(
        &self,
        receiver: &Receiver,
        event: &Event,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let mut request = Request::new(
            receiver.target.clone(),
            event.content_type().clone(),
            event.body().clone(),
        )
        .with_context(event.context().child(&Relay::default()))
        .idempotent(matches!(receiver.who, Who::Queue(_)));
        request.extensions_mut().insert(receiver.options.clone());
        let answer = self.balance.call(request);
        async move { answer.await.map(drop) }
    }

    /// Counts how one call ended. Who has left in the meantime is no receiver any more.
    fn count(&self, tally: &mut Tally, service: &str, receiver: &Receiver, answer: Result<()>) {
        let error = match answer {
            Ok(()) => return tally.acknowledged += 1,
            Err(error) => error,
        };
        let nothing_done = matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected);
        let died = matches!(receiver.who, Who::Node(_)) && error.outcome() == Outcome::Unknown;
        tally.begun |= !nothing_done;
        if (nothing_done || died) && !self.balance.any(service, |node| receiver.who.is(node)) {
            return;
        }
        tally.failed += 1;
        tally.error.get_or_insert((receiver.who.clone(), error));
    }

    /// The receivers among these nodes; kept from one event to the next.
    fn plan(&self, topic: &str, service: &str, nodes: Arc<Nodes>) -> Arc<Plan> {
        let mut known = self.known.lock();
        let before = known.get(topic);
        if let Some(plan) = before.filter(|plan| Arc::ptr_eq(&plan.nodes, &nodes)) {
            return plan.clone();
        }
        let members = nodes.snapshot().members().iter();
        let who: BTreeSet<_> = members.map(|member| Who::of(&member.node)).collect();
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

impl Receiver {
    fn new(service: &str, who: Who) -> Self {
        let (endpoint, filter): (_, Arc<dyn Filter>) = match &who {
            Who::Node(id) => (desk::of_node(id), Arc::new(Only::new(id))),
            Who::Queue(queue) => (desk::of_queue(queue), filter::metadata("queue", queue)),
        };
        let options = Options {
            filter: Some(filter),
            // Handlers of events take their time, and doing one again is the last resort.
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

impl Who {
    fn of(node: &Node) -> Self {
        match node.metadata.get("queue") {
            Some(queue) => Who::Queue(queue.clone()),
            None => Who::Node(node.id.clone()),
        }
    }

    fn is(&self, node: &Node) -> bool {
        match self {
            Who::Node(id) => node.id == *id,
            Who::Queue(queue) => node.metadata.get("queue") == Some(queue),
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Node(id) => write!(f, "subscriber `{id}`"),
            Who::Queue(queue) => write!(f, "queue `{queue}`"),
        }
    }
}

/// Keeps one node.
struct Only {
    key: String,
    id: String,
}

impl Only {
    fn new(id: &str) -> Self {
        Only {
            key: format!("id={id:?}"),
            id: id.to_owned(),
        }
    }
}

impl Filter for Only {
    fn key(&self) -> &str {
        &self.key
    }

    fn keep(&self, node: &Node) -> bool {
        node.id == self.id
    }
}

/// How the calls for one event ended.
#[derive(Default)]
struct Tally {
    acknowledged: usize,
    failed: usize,
    /// Whether one that has not acknowledged may have begun.
    begun: bool,
    /// The first failure.
    error: Option<(Who, Error)>,
}

impl Tally {
    fn result(self, topic: &str) -> Result<usize> {
        let Tally {
            acknowledged,
            failed,
            begun,
            error,
        } = self;
        let Some((who, error)) = error else {
            return Ok(acknowledged);
        };
        // To publish again may be to deliver again to others.
        let outcome = match error.outcome() {
            Outcome::NotSent | Outcome::Rejected if begun || acknowledged > 0 => Outcome::Unknown,
            outcome => outcome,
        };
        let all = acknowledged + failed;
        Err(error
            .context(format_args!(
                "topic `{topic}`: {acknowledged} of {all} receivers acknowledged; {who}"
            ))
            .with_outcome(outcome))
    }
}
