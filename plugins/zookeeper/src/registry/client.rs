//! A client of ZooKeeper. A task carries requests and responses; it starts with the first request, and again after its
//! runtime ended.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    packet::{self, op},
    request::{NO_NODE, Request, RequestError, Response, ResponseReceiver, Shared, garbled},
    response::{Reader, Znode, multi_error},
    session,
    watches::{Event, Watch},
};
use micro_core::Error;

/// Capacity of the queue of requests.
const REQUEST_QUEUE_CAPACITY: usize = 256;
/// Events that a watch may lag behind; a slower watch starts again.
const WATCH_CAPACITY: usize = 4096;

/// A session with ZooKeeper, over one connection at a time.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    running: Mutex<Option<(mpsc::Sender<Request>, JoinHandle<()>)>>,
}

impl Client {
    pub(super) fn new(shared: Shared) -> Self {
        Client {
            shared: Arc::new(shared),
            running: Mutex::default(),
        }
    }

    /// Queues a request. The response is awaited separately.
    pub(super) async fn ask(&self, op: i32, body: Vec<u8>) -> ResponseReceiver {
        self.send(op, body, None).await
    }

    /// Sends a request and waits for its response.
    pub(super) async fn answer(&self, op: i32, body: Vec<u8>) -> Result<Response, RequestError> {
        let asked = self.ask(op, body).await;
        self.awaited(asked).await
    }

    pub(super) async fn awaited(&self, asked: ResponseReceiver) -> Result<Response, RequestError> {
        asked
            .await
            .unwrap_or_else(|_| Err(RequestError::Lost(self.lost())))
    }

    /// The znode at a path, and the id of our session.
    pub(super) async fn read(&self, path: &str) -> Result<(Znode, i64), RequestError> {
        let asked = self.ask(op::GET_DATA, packet::read(path)).await;
        self.found(asked).await
    }

    pub(super) async fn found(
        &self,
        asked: ResponseReceiver,
    ) -> Result<(Znode, i64), RequestError> {
        let answer = self.awaited(asked).await?;
        let found = Znode::read(answer.body).ok_or_else(garbled)?;
        Ok((found, answer.session))
    }

    /// The names of the children of a path; none if the path does not exist.
    pub(super) async fn children(&self, path: &str) -> Result<Vec<String>, RequestError> {
        let asked = self.ask(op::GET_CHILDREN, packet::read(path)).await;
        self.names(asked).await
    }

    pub(super) async fn names(&self, asked: ResponseReceiver) -> Result<Vec<String>, RequestError> {
        match self.awaited(asked).await {
            Ok(answer) => Reader(answer.body).texts().ok_or_else(garbled),
            Err(fault) if fault.is(NO_NODE) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Applies all requests in one transaction.
    pub(super) async fn together(&self, requests: &[(i32, Vec<u8>)]) -> Result<(), RequestError> {
        let answer = self.answer(op::MULTI, packet::multi(requests)).await?;
        match multi_error(answer.body) {
            None => Ok(()),
            Some(error) => Err(RequestError::Refused(error)),
        }
    }

    /// Watches a path and everything below. The events end with the connection, or when the receiver is too slow.
    pub(super) async fn watch(&self, path: &str) -> Result<mpsc::Receiver<Event>, RequestError> {
        let (events, received) = mpsc::channel(WATCH_CAPACITY);
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

    async fn send(&self, op: i32, body: Vec<u8>, watch: Option<Watch>) -> ResponseReceiver {
        let (answer, answered) = oneshot::channel();
        let requests = self.requests();
        let ask = Request {
            op,
            body,
            watch,
            answer,
        };
        // If the task ends now, the receiver of the response ends too.
        let _ = requests.send(ask).await;
        answered
    }

    fn requests(&self) -> mpsc::Sender<Request> {
        let mut running = self.running.lock();
        if let Some((requests, task)) = &*running
            && !task.is_finished()
        {
            return requests.clone();
        }
        let (requests, asked) = mpsc::channel(REQUEST_QUEUE_CAPACITY);
        let task = tokio::spawn(session::run(self.shared.clone(), asked));
        *running = Some((requests.clone(), task));
        requests
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some((_, task)) = self.running.get_mut().take() {
            task.abort();
        }
    }
}
