//! The task that has the connection: it answers for our nodes, and passes on to each watch what concerns it.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use async_nats::{Client, Message, Subscriber};
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    connection::{Connection, NatsConnector},
    local_nodes::LocalNodes,
    refusal::ServerState,
    wire::{RegistryMessage, Subjects},
};
use micro_core::{
    Error, Result,
    node::Node,
    registry::validation,
    wait::{Backoff, until},
};

/// The longest wait between two tries to connect.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// What the server refuses comes before its answer to a ping, but by another task: it may be this much later.
const REFUSAL_GRACE: Duration = Duration::from_millis(30);

/// What became of nodes, as their own process says.
#[derive(Clone)]
pub(super) enum NodeEvent {
    Here(Node),
    Gone(Node),
}

/// The connection as it is now.
#[derive(Clone)]
pub(super) enum State {
    Connecting,
    Up(Connection),
    Down(Error),
}

/// What the task and those who ask have in common.
pub(super) struct Shared {
    pub(super) link: NatsConnector,
    pub(super) subjects: Subjects,
    pub(super) state: watch::Sender<State>,
    pub(super) own: Mutex<LocalNodes>,
    /// Our nodes have changed.
    pub(super) nodes_changed: Notify,
    pub(super) watches: Mutex<Vec<Watch>>,
}

/// Where it goes what is heard of a service, or of all.
pub(super) struct Watch {
    pub(super) service: Option<String>,
    pub(super) heard: mpsc::Sender<NodeEvent>,
}

/// Reports the connection as lost when the task ends, also with its runtime.
struct ShutdownGuard(Arc<Shared>);

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        let ended = Error::unavailable("the runtime that had the connection has ended");
        self.0.state.send_replace(State::Down(ended));
        self.0.watches.lock().clear();
    }
}

impl Shared {
    pub(super) async fn run(self: Arc<Self>) {
        let _ending = ShutdownGuard(self.clone());
        let mut backoff = Backoff::up_to(MAX_BACKOFF);
        loop {
            let error = match self.link.open(&self.subjects).await {
                Ok(connection) => self.connected(connection, &mut backoff).await,
                Err(error) => error,
            };
            self.state.send_replace(State::Down(error));
            self.watches.lock().clear();
            sleep(backoff.next_wait()).await;
        }
    }

    /// Answers and passes on until the connection is lost; returns why it was.
    async fn connected(&self, connection: Connection, backoff: &mut Backoff) -> Error {
        let mut subscribed = match self.subscribe(&connection).await {
            Ok(subscribed) => subscribed,
            Err(error) => return error,
        };
        backoff.reset();
        self.state.send_replace(State::Up(connection.clone()));
        let Connection {
            client,
            mut server_state,
            ..
        } = connection;
        loop {
            let next = self.own.lock().next();
            let message = tokio::select! {
                message = next_message(&mut subscribed) => message,
                error = loss(&mut server_state) => return error,
                () = until(next) => {
                    if let Err(error) = self.expire(&client).await {
                        return error;
                    }
                    continue;
                }
                () = self.nodes_changed.notified() => continue,
            };
            let done = match message {
                None => return closed(),
                Some(message) if message.reply.is_some() => self.answer(&client, message).await,
                Some(message) => self.dispatch(&client, &message).await,
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    /// Subscribes, and says again what is here: the server keeps nothing.
    ///
    /// Fails with what the server does not permit.
    async fn subscribe(&self, connection: &Connection) -> Result<Vec<Subscriber>> {
        let client = &connection.client;
        // In this order they are heard: a node that has just left is answered for no more.
        let mut subscribed = Vec::new();
        for subject in self.subjects.watch.iter().chain(&self.subjects.query) {
            let subscriber = client.subscribe(subject.clone()).await;
            subscribed.push(subscriber.map_err(|error| closed().with_source(error))?);
        }
        let own: Vec<Node> = self.own.lock().nodes().cloned().collect();
        for node in &own {
            self.announce(client, "create", node).await?;
        }
        self.confirm(connection, |_| None).await?;
        Ok(subscribed)
    }

    /// Waits until the server has taken in all that was sent.
    ///
    /// Fails with the connection, and with the refusal that `refused` finds in what the server has said.
    pub(super) async fn confirm(
        &self,
        connection: &Connection,
        refused: impl Fn(&ServerState) -> Option<Error>,
    ) -> Result<()> {
        let mut server_state = connection.server_state.clone();
        // The client has no other ping that can be awaited: the end of a subscription is followed by one.
        let subscribed = connection.client.subscribe(self.subjects.query[0].clone());
        let mut subscriber = subscribed
            .await
            .map_err(|error| closed().with_source(error))?;
        let drained = subscriber.drain().await;
        drained.map_err(|error| closed().with_source(error))?;
        let answered = async {
            while next_message(std::slice::from_mut(&mut subscriber))
                .await
                .is_some()
            {}
        };
        tokio::select! {
            () = answered => {}
            error = loss(&mut server_state) => return Err(error),
        }
        let failure = |server_state: &ServerState| {
            server_state.lost.clone().or_else(|| refused(server_state))
        };
        let refusal = timeout(
            REFUSAL_GRACE,
            server_state.wait_for(|server_state| failure(server_state).is_some()),
        )
        .await;
        match refusal
            .ok()
            .and_then(Result::ok)
            .and_then(|server_state| failure(&server_state))
        {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(super) async fn announce(&self, client: &Client, action: &str, node: &Node) -> Result<()> {
        let said = RegistryMessage::of_node(action, node);
        for subject in &self.subjects.watch {
            let sent = client.publish(subject.clone(), said.clone().into()).await;
            sent.map_err(|error| closed().with_source(error))?;
        }
        Ok(())
    }

    async fn answer(&self, client: &Client, message: Message) -> Result<()> {
        let (Some(question), Some(reply)) =
            (RegistryMessage::read(&message.payload), message.reply)
        else {
            return Ok(());
        };
        let answers = question.answers(self.own.lock().nodes());
        for answer in answers {
            let sent = client.publish(reply.clone(), answer.into()).await;
            sent.map_err(|error| closed().with_source(error))?;
        }
        Ok(())
    }

    /// Passes on to each watch what became of nodes, and takes in what concerns our own.
    async fn dispatch(&self, client: &Client, message: &Message) -> Result<()> {
        let Some(said) = RegistryMessage::read(&message.payload) else {
            let what = format!("a message on `{}` is not of a registry", message.subject);
            validation::warn_rejected("nats", &Error::invalid_argument(what));
            return Ok(());
        };
        let is_gone = said.action == "delete";
        let nodes = said.into_nodes();
        let mut again = Vec::new();
        {
            let mut own = self.own.lock();
            for node in &nodes {
                match is_gone {
                    true => again.extend(own.gone(node)),
                    false => own.here(node, &message.subject),
                }
            }
        }
        self.notify_watches(nodes, is_gone);
        // Who knows nodes by their ids alone takes ours to be gone.
        for node in again {
            self.announce(client, "create", &node).await?;
        }
        Ok(())
    }

    fn notify_watches(&self, nodes: Vec<Node>, is_gone: bool) {
        let mut watches = self.watches.lock();
        for node in nodes {
            let name = node.service.clone();
            let heard = match is_gone {
                true => NodeEvent::Gone(node),
                false => NodeEvent::Here(node),
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
        let due = self.own.lock().expire(Instant::now());
        for node in due {
            self.announce(client, "delete", &node).await?;
        }
        Ok(())
    }
}

/// The next message of any; none when the connection has ended.
async fn next_message(subscribed: &mut [Subscriber]) -> Option<Message> {
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
async fn loss(server_state: &mut watch::Receiver<ServerState>) -> Error {
    let server_state = server_state
        .wait_for(|server_state| server_state.lost.is_some())
        .await;
    let why = server_state
        .ok()
        .and_then(|server_state| server_state.lost.clone());
    why.unwrap_or_else(closed)
}

fn closed() -> Error {
    Error::unavailable("the connection was closed")
}
