//! What a handle asks of the task that has its connection; it begins with the first question, and ends with the handle.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    link::{Link, Linked},
    own::Own,
    refusal::{Kind, ServerState},
    task::{Heard, Shared, State, Watch},
    wire::Subjects,
};
use micro_core::{
    error::{Error, Result},
    node::Node,
};

/// What a watch may be behind by; one that is further behind begins anew.
const BEHIND: usize = 4096;

/// The connection of one handle.
pub(super) struct Hub {
    shared: Arc<Shared>,
    running: Mutex<Option<JoinHandle<()>>>,
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
    pub(super) async fn linked(&self) -> Result<Linked> {
        self.run();
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        match settled.await.as_deref() {
            Ok(State::Up(linked)) => Ok(linked.clone()),
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
        self.own().keep(node, ttl);
        self.shared.sooner.notify_one();
    }

    /// The nodes of this handle.
    pub(super) fn own(&self) -> MutexGuard<'_, Own> {
        self.shared.own.lock()
    }

    pub(super) fn subjects(&self) -> &Subjects {
        &self.shared.subjects
    }

    /// Says something of a node to all who watch.
    pub(super) async fn tell(&self, linked: &Linked, action: &str, node: &Node) -> Result<()> {
        let begun = Instant::now();
        self.shared.tell(&linked.client, action, node).await?;
        let refused = |told: &ServerState| told.since(Kind::Notice, begun);
        self.shared.taken_in(linked, refused).await
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
