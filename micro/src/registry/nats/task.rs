//! The task that has the connection: it answers for our nodes, and passes on to each watch what concerns it.

use std::{
    collections::BTreeMap, future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration,
};

use async_nats::{Client, Message, Subscriber};
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    link::{Link, Linked},
    wire::{Said, Subjects},
};
use crate::{
    error::{Error, Result},
    registry::{
        Node, admit,
        wait::{Backoff, at},
    },
};

/// The longest wait between two tries to connect.
const LONGEST: Duration = Duration::from_secs(2);

/// What became of nodes, as their own process says.
#[derive(Clone)]
pub(super) enum Heard {
    Here(Node),
    Gone(Node),
}

/// The connection as it is now.
#[derive(Clone)]
pub(super) enum State {
    Connecting,
    Up(Client),
    Down(Error),
}

/// Our nodes by service and id, each with the time that it is to be renewed by.
pub(super) type Own = BTreeMap<(String, String), (Node, Option<Instant>)>;

/// What the task and those who ask have in common.
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) subjects: Subjects,
    pub(super) state: watch::Sender<State>,
    pub(super) own: Mutex<Own>,
    /// Our nodes have changed.
    pub(super) sooner: Notify,
    pub(super) watches: Mutex<Vec<Watch>>,
}

/// Where it goes what is heard of a service, or of all.
pub(super) struct Watch {
    pub(super) service: Option<String>,
    pub(super) heard: mpsc::Sender<Heard>,
}

/// That the runtime of the task has ended is told as a loss.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let ended = Error::unavailable("the runtime that had the connection has ended");
        self.0.state.send_replace(State::Down(ended));
        self.0.watches.lock().clear();
    }
}

impl Shared {
    pub(super) async fn run(self: Arc<Self>) {
        let _ending = Ending(self.clone());
        let mut backoff = Backoff::up_to(LONGEST);
        loop {
            let error = match self.link.open().await {
                Ok(linked) => {
                    backoff.end();
                    self.connected(linked).await
                }
                Err(error) => error,
            };
            self.state.send_replace(State::Down(error));
            self.watches.lock().clear();
            sleep(backoff.next()).await;
        }
    }

    /// Answers and passes on until the connection is lost; returns why it was.
    async fn connected(&self, linked: Linked) -> Error {
        let Linked { client, mut lost } = linked;
        let mut subscribed = match self.subscribe(&client).await {
            Ok(subscribed) => subscribed,
            Err(error) => return error,
        };
        self.state.send_replace(State::Up(client.clone()));
        loop {
            let next = self
                .own
                .lock()
                .values()
                .filter_map(|(_, until)| *until)
                .min();
            let message = tokio::select! {
                message = one_of(&mut subscribed) => message,
                error = loss(&mut lost) => return error,
                () = at(next) => {
                    if let Err(error) = self.expire(&client).await {
                        return error;
                    }
                    continue;
                }
                () = self.sooner.notified() => continue,
            };
            let done = match message {
                None => return closed(),
                Some(message) if message.reply.is_some() => self.answer(&client, message).await,
                Some(message) => {
                    self.pass_on(&message);
                    Ok(())
                }
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    /// Subscribes, and says again what is here: the server keeps nothing.
    async fn subscribe(&self, client: &Client) -> Result<Vec<Subscriber>> {
        // In this order they are heard: a node that has just left is answered for no more.
        let mut subscribed = Vec::new();
        for subject in self.subjects.watch.iter().chain(&self.subjects.query) {
            let subscriber = client.subscribe(subject.clone()).await;
            subscribed.push(subscriber.map_err(|error| closed().with_source(error))?);
        }
        let own: Vec<Node> = self
            .own
            .lock()
            .values()
            .map(|(node, _)| node.clone())
            .collect();
        for node in &own {
            self.tell(client, "create", node).await?;
        }
        client.flush().await.map_err(unsaid)?;
        Ok(subscribed)
    }

    pub(super) async fn tell(&self, client: &Client, action: &str, node: &Node) -> Result<()> {
        let said = Said::of_node(action, node);
        for subject in &self.subjects.watch {
            let sent = client.publish(subject.clone(), said.clone().into()).await;
            sent.map_err(|error| closed().with_source(error))?;
        }
        Ok(())
    }

    async fn answer(&self, client: &Client, message: Message) -> Result<()> {
        let (Some(question), Some(reply)) = (Said::read(&message.payload), message.reply) else {
            return Ok(());
        };
        let answers = question.answers(self.own.lock().values().map(|(node, _)| node));
        for answer in answers {
            let sent = client.publish(reply.clone(), answer.into()).await;
            sent.map_err(|error| closed().with_source(error))?;
        }
        Ok(())
    }

    fn pass_on(&self, message: &Message) {
        let Some(said) = Said::read(&message.payload) else {
            let what = format!("a message on `{}` is not of a registry", message.subject);
            admit::left_out("nats", &Error::invalid_argument(what));
            return;
        };
        let is_gone = said.action == "delete";
        if is_gone {
            // Someone else may have deregistered one of ours.
            let mut own = self.own.lock();
            for instance in said.service.iter().flat_map(|service| &service.nodes) {
                own.remove(&(said.name().to_owned(), instance.id.clone()));
            }
        }
        let mut watches = self.watches.lock();
        let wanted = |watch: &Watch| {
            let service = watch.service.as_deref();
            service.is_none_or(|service| service == said.name())
        };
        if !watches.iter().any(wanted) {
            return;
        }
        let name = said.name().to_owned();
        for node in said.into_nodes() {
            let heard = match is_gone {
                true => Heard::Gone(node),
                false => Heard::Here(node),
            };
            watches.retain(|watch| {
                let service = watch.service.as_deref();
                service.is_some_and(|service| service != name)
                    || watch.heard.try_send(heard.clone()).is_ok()
            });
        }
    }

    /// Takes out those of our nodes that were not renewed in time.
    async fn expire(&self, client: &Client) -> Result<()> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.own.lock().retain(|_, (node, until)| {
            let is_due = until.is_some_and(|until| until <= now);
            if is_due {
                due.push(node.clone());
            }
            !is_due
        });
        for node in due {
            self.tell(client, "delete", &node).await?;
        }
        Ok(())
    }
}

/// The next message of any; none when the connection has ended.
async fn one_of(subscribed: &mut [Subscriber]) -> Option<Message> {
    poll_fn(|cx| {
        for subscriber in &mut *subscribed {
            if let Poll::Ready(message) = Pin::new(subscriber).poll_next(cx) {
                return Poll::Ready(message);
            }
        }
        Poll::Pending
    })
    .await
}

/// Why the connection was lost, once it is.
async fn loss(lost: &mut watch::Receiver<Option<Error>>) -> Error {
    let why = lost.wait_for(Option::is_some).await;
    why.ok().and_then(|why| why.clone()).unwrap_or_else(closed)
}

fn closed() -> Error {
    Error::unavailable("the connection was closed")
}

pub(super) fn unsaid(error: async_nats::client::FlushError) -> Error {
    Error::unavailable("what was said did not reach the server").with_source(error)
}
