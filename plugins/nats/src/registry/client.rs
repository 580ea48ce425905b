//! What a handle asks of the task that has its connection; it begins with the first question, and ends with the handle.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    connection::{Connection, NatsConnector},
    local_nodes::LocalNodes,
    refusal::{Kind, ServerState},
    task::{NodeEvent, Shared, State, Watch},
    wire::Subjects,
};
use micro_core::{Error, Result, node::Node};

/// What a watch may be behind by; one that is further behind begins anew.
const WATCH_CAPACITY: usize = 4096;

/// The connection of one handle.
pub(super) struct RegistryClient {
    shared: Arc<Shared>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl RegistryClient {
    pub(super) fn new(link: NatsConnector, subjects: Subjects) -> Self {
        let shared = Shared {
            link,
            subjects,
            state: watch::Sender::new(State::Connecting),
            own: Mutex::default(),
            nodes_changed: Notify::new(),
            watches: Mutex::default(),
        };
        RegistryClient {
            shared: Arc::new(shared),
            running: Mutex::default(),
        }
    }

    /// The connection, once there is one; fails at once while there can be none.
    pub(super) async fn connection(&self) -> Result<Connection> {
        self.run();
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        match settled.await.as_deref() {
            Ok(State::Up(connection)) => Ok(connection.clone()),
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
    pub(super) fn watch(&self, service: Option<&str>) -> mpsc::Receiver<NodeEvent> {
        let (heard, events) = mpsc::channel(WATCH_CAPACITY);
        let service = service.map(str::to_owned);
        let mut watches = self.shared.watches.lock();
        watches.retain(|watch| !watch.heard.is_closed());
        watches.push(Watch { service, heard });
        events
    }

    /// Answers for a node from now on.
    pub(super) fn keep(&self, node: &Node, ttl: Option<Duration>) {
        self.own().keep(node, ttl);
        self.shared.nodes_changed.notify_one();
    }

    /// The nodes of this handle.
    pub(super) fn own(&self) -> MutexGuard<'_, LocalNodes> {
        self.shared.own.lock()
    }

    pub(super) fn subjects(&self) -> &Subjects {
        &self.shared.subjects
    }

    /// Says something of a node to all who watch.
    pub(super) async fn announce(
        &self,
        connection: &Connection,
        action: &str,
        node: &Node,
    ) -> Result<()> {
        let begun = Instant::now();
        self.shared
            .announce(&connection.client, action, node)
            .await?;
        let refused = |server_state: &ServerState| server_state.since(Kind::Notice, begun);
        self.shared.confirm(connection, refused).await
    }

    fn run(&self) {
        let mut running = self.running.lock();
        if running.as_ref().is_none_or(JoinHandle::is_finished) {
            self.shared.state.send_replace(State::Connecting);
            *running = Some(tokio::spawn(self.shared.clone().run()));
        }
    }
}

impl Drop for RegistryClient {
    fn drop(&mut self) {
        if let Some(task) = self.running.get_mut().take() {
            task.abort();
        }
    }
}
