//! The task that has the connection: it answers for our nodes, and passes on to each watch what concerns it.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    hash::{BuildHasher, Hasher, RandomState},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_nats::{Client, Message, Subscriber};
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    link::{Link, Linked},
    wire::{Said, Subjects},
};
use crate::{
    error::{Error, Result},
    registry::{Node, admit},
};

/// Waits between two tries double from here …
const SHORTEST: Duration = Duration::from_millis(100);
/// … to here.
const LONGEST: Duration = Duration::from_secs(2);
/// What a watch may be behind by; one that is further behind begins anew.
const BEHIND: usize = 4096;

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

pub(super) struct Hub {
    shared: Arc<Shared>,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// Our nodes by service and id, each with the time that it is to be renewed by.
type Own = BTreeMap<(String, String), (Node, Option<Instant>)>;

struct Shared {
    link: Link,
    subjects: Subjects,
    state: watch::Sender<State>,
    own: Mutex<Own>,
    sooner: Notify,
    watches: Mutex<Vec<Watch>>,
}

struct Watch {
    service: Option<String>,
    heard: mpsc::Sender<Heard>,
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

impl Hub {
    pub(super) fn new(link: Link, subjects: Subjects) -> Self {
        let shared = Shared {
            link,
            subjects,
            state: watch::Sender::new(State::Connecting),
            own: Mutex::default(),
            sooner: Notify::new(),
            watches: Mutex::default(),
        };
        Hub {
            shared: Arc::new(shared),
            running: Mutex::default(),
        }
    }

    /// The connection, once there is one; fails at once while there can be none.
    pub(super) async fn client(&self) -> Result<Client> {
        self.run();
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        match settled.await.as_deref() {
            Ok(State::Up(client)) => Ok(client.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            _ => Err(Error::unavailable("the connection was lost")),
        }
    }

    /// Why there is no connection.
    pub(super) fn lost(&self) -> Error {
        match &*self.shared.state.borrow() {
            State::Down(error) => error.clone(),
            _ => Error::unavailable("the connection was lost"),
        }
    }

    /// What is heard of a service, or of all, from now on; it ends with the connection, or when it is not fetched.
    pub(super) fn watch(&self, service: Option<&str>) -> mpsc::Receiver<Heard> {
        let (heard, hearing) = mpsc::channel(BEHIND);
        let service = service.map(str::to_owned);
        let mut watches = self.shared.watches.lock();
        watches.retain(|watch| !watch.heard.is_closed());
        watches.push(Watch { service, heard });
        hearing
    }

    /// Answers for a node from now on.
    pub(super) fn keep(&self, node: &Node, ttl: Option<Duration>) {
        let until = ttl.map(|ttl| Instant::now() + ttl);
        let key = (node.service.clone(), node.id.clone());
        self.shared.own.lock().insert(key, (node.clone(), until));
        self.shared.sooner.notify_one();
    }

    pub(super) fn forget(&self, node: &Node) {
        let key = (node.service.clone(), node.id.clone());
        self.shared.own.lock().remove(&key);
    }

    pub(super) fn subjects(&self) -> &Subjects {
        &self.shared.subjects
    }

    /// Says something of a node to all who watch.
    pub(super) async fn tell(&self, client: &Client, action: &str, node: &Node) -> Result<()> {
        self.shared.tell(client, action, node).await?;
        client.flush().await.map_err(unsaid)
    }

    fn run(&self) {
        let mut running = self.running.lock();
        if running.as_ref().is_none_or(JoinHandle::is_finished) {
            self.shared.state.send_replace(State::Connecting);
            *running = Some(tokio::spawn(self.shared.clone().run()));
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(task) = self.running.get_mut().take() {
            task.abort();
        }
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        let _ending = Ending(self.clone());
        let mut failures = 0_u32;
        loop {
            let error = match self.link.open().await {
                Ok(linked) => {
                    failures = 0;
                    self.connected(linked).await
                }
                Err(error) => error,
            };
            self.state.send_replace(State::Down(error));
            self.watches.lock().clear();
            let wait = SHORTEST.saturating_mul(1 << failures.min(8)).min(LONGEST);
            let random = RandomState::new().build_hasher().finish() % 256;
            // Half by chance, so that a fleet does not come back as one.
            sleep(wait / 2 + wait.mul_f64(f64::from(u8::try_from(random).unwrap_or(0)) / 512.0))
                .await;
            failures = failures.saturating_add(1);
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
            let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let message = tokio::select! {
                message = one_of(&mut subscribed) => message,
                error = loss(&mut lost) => return error,
                () = sleep_until(next) => {
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

    async fn tell(&self, client: &Client, action: &str, node: &Node) -> Result<()> {
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

fn unsaid(error: async_nats::client::FlushError) -> Error {
    Error::unavailable("what was said did not reach the server").with_source(error)
}
