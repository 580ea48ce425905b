//! A registry whose every word the test says.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures_core::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::*;
use crate::{
    error::{Error, Result},
    registry::{Registry, Update, Updates},
};

#[derive(Default)]
pub(super) struct TestRegistry(Mutex<State>);

#[derive(Default)]
struct State {
    down: bool,
    silent: bool,
    late: Duration,
    held: Option<String>,
    sets: BTreeMap<String, (Vec<Node>, bool)>,
    watches: HashMap<String, Vec<mpsc::UnboundedSender<Update>>>,
    begun: usize,
}

impl TestRegistry {
    /// Says the nodes of a service, now and to later watches.
    pub(super) fn say(&self, service: &str, nodes: Vec<Node>, authoritative: bool) {
        let mut state = self.0.lock();
        let update = Update::Set {
            service: service.into(),
            nodes: nodes.iter().cloned().map(Arc::new).collect(),
            authoritative,
        };
        state.sets.insert(service.into(), (nodes, authoritative));
        for watch in state.watches.entry(service.into()).or_default() {
            let _ = watch.send(update.clone());
        }
    }

    /// Says that the registry is not reached, in the watches of a service.
    pub(super) fn stale(&self, service: &str, since: Duration) {
        let error = Error::unavailable("gone");
        for watch in &self.0.lock().watches[service] {
            let _ = watch.send(Update::Stale {
                since,
                error: error.clone(),
            });
        }
    }

    /// Ends every watch, and refuses others until it is up again.
    pub(super) fn set_down(&self, down: bool) {
        let mut state = self.0.lock();
        state.down = down;
        state.watches.clear();
    }

    /// Begins no watch, and does not say so.
    pub(super) fn set_silent(&self) {
        self.0.lock().silent = true;
    }

    /// Begins each watch only after so long.
    pub(super) fn set_late(&self, late: Duration) {
        self.0.lock().late = late;
    }

    /// Begins no watch of one service.
    pub(super) fn hold(&self, service: &str) {
        self.0.lock().held = Some(service.into());
    }

    /// Watches of one service now.
    pub(super) fn watches(&self, service: &str) -> usize {
        let state = self.0.lock();
        let watches = state.watches.get(service).into_iter().flatten();
        watches.filter(|watch| !watch.is_closed()).count()
    }

    /// Watches asked for ever.
    pub(super) fn begun(&self) -> usize {
        self.0.lock().begun
    }
}

struct Words(mpsc::UnboundedReceiver<Update>);

impl Stream for Words {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.0.poll_recv(cx)
    }
}

#[async_trait]
impl Registry for TestRegistry {
    fn name(&self) -> &str {
        "fed"
    }

    async fn register(&self, _: &Node, _: Option<Duration>) -> Result<()> {
        Ok(())
    }

    async fn deregister(&self, _: &Node) -> Result<()> {
        Ok(())
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        Ok(self
            .0
            .lock()
            .sets
            .get(service)
            .cloned()
            .unwrap_or_default()
            .0)
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.0.lock().sets.keys().cloned().collect())
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let service = service.unwrap();
        let (silent, late) = {
            let mut state = self.0.lock();
            state.begun += 1;
            let silent = state.silent || state.held.as_deref() == Some(service);
            (silent, state.late)
        };
        if silent {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(late).await;
        let mut state = self.0.lock();
        if state.down {
            return Err(Error::unavailable("connection refused"));
        }
        #[allow(clippy::disallowed_methods, reason = "a test says a few words")]
        let (sender, receiver) = mpsc::unbounded_channel();
        let (nodes, authoritative) = state.sets.get(service).cloned().unwrap_or_default();
        let _ = sender.send(Update::Set {
            service: service.into(),
            nodes: nodes.into_iter().map(Arc::new).collect(),
            authoritative,
        });
        state
            .watches
            .entry(service.into())
            .or_default()
            .push(sender);
        Ok(Box::pin(Words(receiver)))
    }
}
