//! The receiving side: calls of publishers become deliveries of the subscriptions of this process.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use futures_core::Stream;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::service;
use crate::{
    broker::{
        Delivery, Event,
        in_hand::{Held, InHand},
    },
    call::{Answer, Call, Identity, wrong_server},
    error::{Error, Outcome, Result},
    message::{Body, ContentType, Request, Response},
};

/// The endpoint that reaches every member of a queue.
pub(super) fn of_queue(queue: &str) -> String {
    format!("queue:{queue}")
}

/// The endpoint that reaches one subscription without a queue.
pub(super) fn of_node(id: &str) -> String {
    format!("node:{id}")
}

/// The subscriptions of one process, by the service they are registered under and the endpoint
/// that reaches them.
#[derive(Default)]
pub(super) struct Desk {
    inboxes: Arc<Mutex<Inboxes>>,
    turn: AtomicUsize,
}

type Inboxes = HashMap<(String, String), Vec<Arc<Inbox>>>;

/// Where one subscription's events arrive.
pub(super) struct Inbox {
    topic: Arc<str>,
    /// Service and endpoint.
    key: (String, String),
    /// Has room for as many as there are permits; `None` once closed.
    sender: Mutex<Option<mpsc::Sender<Delivery>>>,
    permits: Arc<Semaphore>,
    concurrency: usize,
    in_hand: InHand,
    /// Whether its stream is still read.
    open: AtomicBool,
}

impl Desk {
    /// Opens an inbox and gives what comes into it.
    pub(super) fn open(
        &self,
        topic: &str,
        queue: Option<&str>,
        id: &str,
        concurrency: usize,
    ) -> Feed {
        let concurrency = concurrency.max(1);
        let (sender, receiver) = mpsc::channel(concurrency);
        let endpoint = queue.map_or_else(|| of_node(id), of_queue);
        let inbox = Arc::new(Inbox {
            topic: topic.into(),
            key: (service(topic), endpoint),
            sender: Mutex::new(Some(sender)),
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            in_hand: InHand::default(),
            open: AtomicBool::new(true),
        });
        let mut inboxes = self.inboxes.lock();
        let same = inboxes.entry(inbox.key.clone()).or_default();
        same.push(inbox.clone());
        drop(inboxes);
        Feed {
            receiver,
            inbox,
            inboxes: self.inboxes.clone(),
        }
    }

    /// Takes an inbox out; its stream gives what has come and ends.
    pub(super) fn close(&self, inbox: &Arc<Inbox>) {
        close(&self.inboxes, inbox);
    }

    /// Puts an event into an inbox that it is for; gives where its end will be told.
    fn deliver(&self, request: Request) -> Result<oneshot::Receiver<Result<()>>> {
        if request.context().check().is_err() {
            return Err(Error::deadline_exceeded(
                "the event came when its time had run out",
            ));
        }
        let key = (request.service().to_owned(), request.endpoint().to_owned());
        let inboxes = self.inboxes.lock().get(&key).cloned();
        let Some(inboxes) = inboxes else {
            let (service, endpoint) = key;
            return Err(Error::unavailable(format!(
                "nothing here is subscribed to `{service}` as `{endpoint}`"
            )));
        };
        let turn = self.turn.fetch_add(1, Relaxed);
        let found = (0..inboxes.len()).find_map(|offset| {
            let inbox = &inboxes[(turn + offset) % inboxes.len()];
            let permit = inbox.permits.clone().try_acquire_owned().ok()?;
            Some((inbox, permit))
        });
        let Some((inbox, permit)) = found else {
            return Err(Error::resource_exhausted(format!(
                "{} events are at work, which is this subscription's limit",
                inboxes[0].concurrency
            )));
        };
        inbox.put(request, permit)
    }
}

fn close(inboxes: &Mutex<Inboxes>, inbox: &Arc<Inbox>) {
    let mut inboxes = inboxes.lock();
    if let Some(same) = inboxes.get_mut(&inbox.key) {
        same.retain(|other| !Arc::ptr_eq(other, inbox));
        if same.is_empty() {
            inboxes.remove(&inbox.key);
        }
    }
    drop(inboxes);
    let sender = inbox.sender.lock().take();
    drop(sender);
}

impl Inbox {
    /// Whether its subscription still takes events.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Waits until every event that came is acknowledged or failed.
    pub(super) async fn settled(&self) {
        self.in_hand.none().await;
    }

    fn put(
        &self,
        request: Request,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<()>>> {
        let (context, content_type, body) = request.into_parts();
        let event = Event::new(content_type, body.into_bytes()?).with_context(context);
        let (ended, end) = oneshot::channel();
        let held = Unsettled {
            _permit: permit,
            _held: self.in_hand.hold(),
        };
        let delivery = Delivery::new(self.topic.clone(), event, move |result| {
            // The publisher may have given up.
            let _ = ended.send(result);
            drop(held);
        });
        let refused = match &*self.sender.lock() {
            Some(sender) => sender.try_send(delivery).err(),
            None => Some(mpsc::error::TrySendError::Closed(delivery)),
        };
        match refused {
            None => Ok(end),
            Some(_) => Err(gone()),
        }
    }
}

/// What an event takes up until it is acknowledged or failed.
struct Unsettled {
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

fn gone() -> Error {
    Error::unavailable("the subscription ended").with_outcome(Outcome::Rejected)
}

impl Call for Desk {
    fn call(&self, request: Request) -> Answer {
        let delivered = self.deliver(request);
        Box::pin(async move {
            let end = delivered.map_err(|error| error.with_outcome(Outcome::Rejected))?;
            match end.await {
                Ok(Ok(())) => Ok(Response::new(ContentType::Bytes, Body::empty())),
                Ok(Err(error)) if error.outcome() == Outcome::Rejected => Err(error),
                // Of a code that has the loop try another member, whatever the reason was.
                Ok(Err(error)) => Err(Error::aborted(format!(
                    "it was not acknowledged: {}",
                    error.message()
                ))),
                Err(_) => Err(Error::aborted("it was not acknowledged")),
            }
        })
    }

    /// By the topic alone: which subscription is meant is in the endpoint.
    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        let inboxes = self.inboxes.lock();
        match inboxes
            .keys()
            .any(|(service, _)| **service == *meant.service)
        {
            true => Ok(true),
            false if meant.is_empty() => Ok(false),
            false => Err(wrong_server(&Identity::default(), meant)),
        }
    }
}

/// What comes into an inbox.
pub(super) struct Feed {
    receiver: mpsc::Receiver<Delivery>,
    inbox: Arc<Inbox>,
    inboxes: Arc<Mutex<Inboxes>>,
}

impl Feed {
    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }
}

impl Stream for Feed {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.receiver.poll_recv(cx)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.inbox.open.store(false, Relaxed);
        close(&self.inboxes, &self.inbox);
        while let Ok(delivery) = self.receiver.try_recv() {
            // Nothing was done for it.
            delivery.nack(gone());
        }
    }
}
