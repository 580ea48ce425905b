//! The receiving side: posts of publishers become deliveries to the subscriptions of this process.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use parking_lot::Mutex;

use super::{envelope, style};
use crate::{
    broker::{
        Delivery,
        inbox::{Feed, Inbox, Rejection},
    },
    error::{Error, Outcome, Result},
    http::{HttpAnswer, HttpBegun, HttpBody, coding},
    protocols::{connection_context::ConnectionContext, dialect::Dialect, mucp::fault},
    time::Nanos,
};

/// How many subscriptions of a process received an event; a header of our subscribers only.
pub(super) const RECEIVED: HeaderName = HeaderName::from_static("micro-received");

/// The subscriptions of one process, by the ids they are registered with.
#[derive(Default)]
pub(super) struct Dispatcher {
    inboxes: Arc<Mutex<Inboxes>>,
}

type Inboxes = HashMap<String, Arc<Inbox>>;

impl Dispatcher {
    /// Opens an inbox, and returns its deliveries.
    pub(super) fn open(&self, topic: &str, ids: Vec<String>, capacity: usize) -> Feed {
        let (inbox, receiver) = Inbox::new(topic, capacity);
        let mut inboxes = self.inboxes.lock();
        for id in &ids {
            inboxes.insert(id.clone(), inbox.clone());
        }
        drop(inboxes);
        let inboxes = self.inboxes.clone();
        Feed::new(inbox, receiver, move || {
            let mut inboxes = inboxes.lock();
            for id in &ids {
                inboxes.remove(id);
            }
        })
    }

    /// Puts an event into the inbox of an id; returns how many received it. None is no error, as in go-micro.
    fn deliver(&self, id: Option<String>, body: &Bytes) -> Result<usize> {
        let (topic, event) = envelope::read(body)?;
        let inbox = id.and_then(|id| self.inboxes.lock().get(&id).cloned());
        let Some(inbox) = inbox.filter(|inbox| *inbox.topic == *topic) else {
            return Ok(0);
        };
        let held = inbox.hold();
        let delivery = Delivery::new(inbox.topic.clone(), event, move |result| {
            if let Err(error) = result {
                tracing::debug!(%error, "an event was not handled, and is lost");
            }
            drop(held);
        });
        match inbox.put(delivery) {
            Ok(()) => Ok(1),
            Err(Rejection::Closed) => Ok(0),
            Err(Rejection::Full) => Err(Error::resource_exhausted(
                "the subscription holds as many events as it may",
            )
            .with_outcome(Outcome::Rejected)),
        }
    }
}

impl Dialect for Dispatcher {
    fn speaks(&self, _: &Parts) -> bool {
        true
    }

    fn begin(
        &self,
        request: Request<HttpBody>,
        connection: &ConnectionContext,
        _: Nanos,
    ) -> HttpBegun {
        HttpBegun::poll(self.respond(request, connection))
    }
}

impl Dispatcher {
    fn respond(&self, request: Request<HttpBody>, connection: &ConnectionContext) -> HttpAnswer {
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
        let most = connection.limits.max_message_size;
        let dispatcher = Dispatcher {
            inboxes: self.inboxes.clone(),
        };
        Box::pin(async move {
            let collected = body.collect(most).await;
            let delivered = collected
                .and_then(|(body, _)| coding::decode(coding, body, most))
                .and_then(|body| dispatcher.deliver(id, &body));
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

/// An error in the form of go-micro's broker.
fn failed(error: &Error, status: StatusCode) -> Response<HttpBody> {
    let text = fault(&error.clone().with_origin("go.micro.broker"));
    let mut response = Response::new(HttpBody::Whole(text.into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
