//! The receiving side: calls of publishers become deliveries to the subscriptions of this process.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::service;
use crate::{
    broker::{
        Delivery, Event,
        in_flight::InFlightGuard,
        inbox::{Feed, Inbox, gone},
    },
    call::{Answer, Call, Identity, Shape, wrong_server},
    error::{Error, Outcome, Result},
    message::{Body, ContentType, Request, Response},
};

/// The endpoint of the members of a queue.
pub(super) fn of_queue(queue: &str) -> String {
    format!("queue:{queue}")
}

/// The endpoint of one subscription without a queue.
pub(super) fn of_node(id: &str) -> String {
    format!("node:{id}")
}

/// The subscriptions of one process, by the service they are registered with and their endpoint.
#[derive(Default)]
pub(super) struct Dispatcher {
    inboxes: Arc<Mutex<Inboxes>>,
    turn: AtomicUsize,
}

type Inboxes = HashMap<(String, String), Vec<Arc<Member>>>;

/// One subscription, with its limit.
struct Member {
    inbox: Arc<Inbox>,
    permits: Arc<Semaphore>,
    concurrency: usize,
}

impl Dispatcher {
    /// Opens an inbox, and returns its deliveries.
    pub(super) fn open(
        &self,
        topic: &str,
        queue: Option<&str>,
        id: &str,
        concurrency: usize,
    ) -> Feed {
        let concurrency = concurrency.max(1);
        let (inbox, receiver) = Inbox::new(topic, concurrency);
        let endpoint = queue.map_or_else(|| of_node(id), of_queue);
        let key = (service(topic), endpoint);
        let member = Arc::new(Member {
            inbox: inbox.clone(),
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
        });
        let mut inboxes = self.inboxes.lock();
        inboxes.entry(key.clone()).or_default().push(member.clone());
        drop(inboxes);
        let inboxes = self.inboxes.clone();
        Feed::new(inbox, receiver, move || {
            remove(&inboxes, &key, &member.inbox)
        })
    }

    /// Closes an inbox; its stream yields what has arrived and ends.
    pub(super) fn close(&self, inbox: &Arc<Inbox>) {
        let mut inboxes = self.inboxes.lock();
        inboxes.retain(|_, same| {
            same.retain(|member| !Arc::ptr_eq(&member.inbox, inbox));
            !same.is_empty()
        });
        drop(inboxes);
        inbox.close();
    }

    /// Puts an event into an inbox for it; the result is received from the returned channel.
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
            let member = &inboxes[(turn + offset) % inboxes.len()];
            let permit = member.permits.clone().try_acquire_owned().ok()?;
            Some((&member.inbox, permit))
        });
        let Some((inbox, permit)) = found else {
            return Err(Error::resource_exhausted(format!(
                "{} events are at work, which is this subscription's limit",
                inboxes[0].concurrency
            )));
        };
        put(inbox, request, permit)
    }
}

/// Removes an inbox from its key.
fn remove(inboxes: &Mutex<Inboxes>, key: &(String, String), inbox: &Arc<Inbox>) {
    let mut inboxes = inboxes.lock();
    if let Some(same) = inboxes.get_mut(key) {
        same.retain(|member| !Arc::ptr_eq(&member.inbox, inbox));
        if same.is_empty() {
            inboxes.remove(key);
        }
    }
}

/// Puts an event into an inbox; the result is received from the returned channel.
fn put(
    inbox: &Inbox,
    request: Request,
    permit: OwnedSemaphorePermit,
) -> Result<oneshot::Receiver<Result<()>>> {
    let (context, content_type, body) = request.into_parts();
    let event = Event::new(content_type, body.into_bytes()?).with_context(context);
    let (ended, end) = oneshot::channel();
    let held = PendingDelivery {
        _permit: permit,
        _held: inbox.hold(),
    };
    let delivery = Delivery::new(inbox.topic.clone(), event, move |result| {
        // The publisher may have given up.
        let _ = ended.send(result);
        drop(held);
    });
    inbox.put(delivery).map(|()| end).map_err(|_| gone())
}

/// What an event holds until it is acknowledged or rejected.
struct PendingDelivery {
    _permit: OwnedSemaphorePermit,
    _held: InFlightGuard,
}

impl Call for Dispatcher {
    fn call(&self, request: Request) -> Answer {
        let delivered = self.deliver(request);
        Box::pin(async move {
            let end = delivered.map_err(|error| error.with_outcome(Outcome::Rejected))?;
            match end.await {
                Ok(Ok(())) => Ok(Response::new(ContentType::Bytes, Body::empty())),
                Ok(Err(error)) if error.outcome() == Outcome::Rejected => Err(error),
                // A code by which the loop tries another member, whatever the reason was.
                Ok(Err(error)) => Err(Error::aborted(format!(
                    "it was not acknowledged: {}",
                    error.message()
                ))),
                Err(_) => Err(Error::aborted("it was not acknowledged")),
            }
        })
    }

    /// The event is one message, and so is the response.
    fn shape(&self, endpoint: &str) -> Option<Shape> {
        let inboxes = self.inboxes.lock();
        let is_open = inboxes.keys().any(|(_, open)| open == endpoint);
        is_open.then(Shape::default)
    }

    /// By the topic alone: the endpoint names the subscription.
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
