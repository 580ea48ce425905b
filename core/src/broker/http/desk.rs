//! The receiving side: posts of publishers become deliveries of the subscriptions of this process.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{envelope, style};
use crate::{
    broker::{Delivery, in_hand::InHand},
    error::{Error, Outcome, Result},
    http::{HttpAnswer, HttpBegun, HttpBody, coding},
    protocols::{dialect::Dialect, mucp::fault, site::Site},
    time::Nanos,
};

/// How many subscriptions of a process took an event; ours alone say so.
pub(super) const RECEIVED: HeaderName = HeaderName::from_static("micro-received");

/// The subscriptions of one process, by the ids they are registered under.
#[derive(Default)]
pub(super) struct Desk {
    inboxes: Arc<Mutex<Inboxes>>,
}

type Inboxes = HashMap<String, Arc<Inbox>>;

/// Where one subscription's events arrive.
pub(super) struct Inbox {
    topic: Arc<str>,
    /// `None` once closed.
    sender: Mutex<Option<mpsc::Sender<Delivery>>>,
    in_hand: InHand,
    /// Whether its stream is still read.
    open: AtomicBool,
}

impl Inbox {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Takes nothing more; its stream gives what has come and ends.
    pub(super) fn close(&self) {
        let sender = self.sender.lock().take();
        drop(sender);
    }

    /// Waits until every event that came is acknowledged or failed.
    pub(super) async fn settled(&self) {
        self.in_hand.none().await;
    }
}

impl Desk {
    /// Opens an inbox and gives what comes into it.
    pub(super) fn open(&self, topic: &str, ids: Vec<String>, capacity: usize) -> Feed {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let inbox = Arc::new(Inbox {
            topic: topic.into(),
            sender: Mutex::new(Some(sender)),
            in_hand: InHand::default(),
            open: AtomicBool::new(true),
        });
        let mut inboxes = self.inboxes.lock();
        for id in &ids {
            inboxes.insert(id.clone(), inbox.clone());
        }
        drop(inboxes);
        Feed {
            receiver,
            inbox,
            ids,
            inboxes: self.inboxes.clone(),
        }
    }

    /// Puts an event into the inbox of an id; how many took it. None is no error, as in go-micro.
    fn deliver(&self, id: Option<String>, body: &Bytes) -> Result<usize> {
        let (topic, event) = envelope::read(body)?;
        let inbox = id.and_then(|id| self.inboxes.lock().get(&id).cloned());
        let Some(inbox) = inbox.filter(|inbox| *inbox.topic == *topic) else {
            return Ok(0);
        };
        let held = inbox.in_hand.hold();
        let delivery = Delivery::new(inbox.topic.clone(), event, move |result| {
            if let Err(error) = result {
                tracing::debug!(%error, "an event was not handled, and is lost");
            }
            drop(held);
        });
        let refused = match &*inbox.sender.lock() {
            Some(sender) => sender.try_send(delivery).err(),
            None => Some(mpsc::error::TrySendError::Closed(delivery)),
        };
        match refused {
            None => Ok(1),
            Some(mpsc::error::TrySendError::Closed(_)) => Ok(0),
            Some(mpsc::error::TrySendError::Full(_)) => Err(Error::resource_exhausted(
                "the subscription holds as many events as it may",
            )
            .with_outcome(Outcome::Rejected)),
        }
    }
}

impl Dialect for Desk {
    fn speaks(&self, _: &Parts) -> bool {
        true
    }

    fn begin(&self, request: Request<HttpBody>, site: &Site, _: Nanos) -> HttpBegun {
        HttpBegun::poll(self.respond(request, site))
    }
}

impl Desk {
    fn respond(&self, request: Request<HttpBody>, site: &Site) -> HttpAnswer {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            let error = Error::unimplemented("events are posted");
            return Box::pin(async move { failed(&error, StatusCode::METHOD_NOT_ALLOWED) });
        }
        if !["/", "/_sub"].contains(&head.uri.path()) {
            let error = Error::not_found("events are posted to `/` or `/_sub`");
            return Box::pin(async move { failed(&error, StatusCode::NOT_FOUND) });
        }
        let coding = match coding::of(&head.headers) {
            Ok(coding) => coding,
            Err(error) => {
                let mut response = failed(&error, StatusCode::UNSUPPORTED_MEDIA_TYPE);
                let headers = response.headers_mut();
                headers.insert(header::ACCEPT_ENCODING, coding::ACCEPTED);
                return Box::pin(async { response });
            }
        };
        let id = head.uri.query().and_then(style::id);
        let most = site.limits.message;
        let desk = Desk {
            inboxes: self.inboxes.clone(),
        };
        Box::pin(async move {
            let collected = body.collect(most).await;
            let delivered = collected
                .and_then(|(body, _)| coding::decode(coding, body, most))
                .and_then(|body| desk.deliver(id, &body));
            match delivered {
                Ok(count) => {
                    let mut response = Response::new(HttpBody::empty());
                    let count = HeaderValue::from(count);
                    response.headers_mut().insert(RECEIVED, count);
                    response
                }
                Err(error) if error.outcome() == Outcome::Rejected => {
                    failed(&error, StatusCode::SERVICE_UNAVAILABLE)
                }
                Err(error) => failed(&error, StatusCode::INTERNAL_SERVER_ERROR),
            }
        })
    }
}

/// An error as go-micro's broker tells it.
fn failed(error: &Error, status: StatusCode) -> Response<HttpBody> {
    let text = fault(&error.clone().with_origin("go.micro.broker"));
    let mut response = Response::new(HttpBody::Whole(text.into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// What comes into an inbox.
pub(super) struct Feed {
    receiver: mpsc::Receiver<Delivery>,
    inbox: Arc<Inbox>,
    ids: Vec<String>,
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
        self.inbox.close();
        let mut inboxes = self.inboxes.lock();
        for id in &self.ids {
            inboxes.remove(id);
        }
    }
}
