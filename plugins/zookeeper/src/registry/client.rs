//! Requests to ZooKeeper and their answers; a task carries them, begun with the first and again when its runtime
//! has ended.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    answer::{Found, Reader, multi_error},
    ask::{Answer, Answered, Ask, Fault, NO_NODE, Shared, garbled},
    packet::{self, op},
    session,
    watches::{Event, Watch},
};
use micro_core::error::Error;

/// Requests that wait to be sent.
const ASKS: usize = 256;
/// Events that a watch may be behind by; one that is further behind begins anew.
const EVENTS: usize = 4096;

/// One session with ZooKeeper, over one connection at a time.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    running: Mutex<Option<(mpsc::Sender<Ask>, JoinHandle<()>)>>,
}

impl Client {
    pub(super) fn new(shared: Shared) -> Self {
        Client {
            shared: Arc::new(shared),
            running: Mutex::default(),
        }
    }

    /// Sends a request, behind those sent before; its answer is awaited apart.
    pub(super) async fn ask(&self, op: i32, body: Vec<u8>) -> Answered {
        self.send(op, body, None).await
    }

    /// Sends a request and awaits the answer.
    pub(super) async fn answer(&self, op: i32, body: Vec<u8>) -> Result<Answer, Fault> {
        let asked = self.ask(op, body).await;
        self.awaited(asked).await
    }

    pub(super) async fn awaited(&self, asked: Answered) -> Result<Answer, Fault> {
        asked
            .await
            .unwrap_or_else(|_| Err(Fault::Lost(self.lost())))
    }

    /// What is at a path, with the id of our session.
    pub(super) async fn read(&self, path: &str) -> Result<(Found, i64), Fault> {
        let asked = self.ask(op::GET_DATA, packet::read(path)).await;
        self.found(asked).await
    }

    pub(super) async fn found(&self, asked: Answered) -> Result<(Found, i64), Fault> {
        let answer = self.awaited(asked).await?;
        let found = Found::read(answer.body).ok_or_else(garbled)?;
        Ok((found, answer.session))
    }

    /// The names of what is right below a path; none where there is no such path.
    pub(super) async fn children(&self, path: &str) -> Result<Vec<String>, Fault> {
        let asked = self.ask(op::GET_CHILDREN, packet::read(path)).await;
        self.names(asked).await
    }

    pub(super) async fn names(&self, asked: Answered) -> Result<Vec<String>, Fault> {
        match self.awaited(asked).await {
            Ok(answer) => Reader(answer.body).texts().ok_or_else(garbled),
            Err(fault) if fault.is(NO_NODE) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Does all of these or none.
    pub(super) async fn together(&self, requests: &[(i32, Vec<u8>)]) -> Result<(), Fault> {
        let answer = self.answer(op::MULTI, packet::multi(requests)).await?;
        match multi_error(answer.body) {
            None => Ok(()),
            Some(error) => Err(Fault::Refused(error)),
        }
    }

    /// Events at a path and below, from now on; they end when the connection does, or when they are not fetched.
    pub(super) async fn watch(&self, path: &str) -> Result<mpsc::Receiver<Event>, Fault> {
        let (events, received) = mpsc::channel(EVENTS);
        let watch = Watch {
            path: path.to_owned(),
            events: Some(events),
        };
        let asked = self.send(op::ADD_WATCH, packet::watch_below(path), Some(watch));
        let asked = asked.await;
        self.awaited(asked).await?;
        Ok(received)
    }

    /// Why the last connection was lost.
    pub(super) fn lost(&self) -> Error {
        let reason = self.shared.reason.lock().clone();
        reason.unwrap_or_else(|| Error::unavailable("the connection was closed"))
    }

    async fn send(&self, op: i32, body: Vec<u8>, watch: Option<Watch>) -> Answered {
        let (answer, answered) = oneshot::channel();
        let asks = self.asks();
        let ask = Ask {
            op,
            body,
            watch,
            answer,
        };
        // If the task ends just now, so does what waits for the answer.
        let _ = asks.send(ask).await;
        answered
    }

    fn asks(&self) -> mpsc::Sender<Ask> {
        let mut running = self.running.lock();
        if let Some((asks, task)) = &*running
            && !task.is_finished()
        {
            return asks.clone();
        }
        let (asks, asked) = mpsc::channel(ASKS);
        let task = tokio::spawn(session::run(self.shared.clone(), asked));
        *running = Some((asks.clone(), task));
        asks
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some((_, task)) = self.running.get_mut().take() {
            task.abort();
        }
    }
}
