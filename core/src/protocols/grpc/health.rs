//! The standard health service, as Kubernetes and `grpc-health-probe` ask it:
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use prost::Message;
use tokio::time::{Interval, MissedTickBehavior};

use super::request::{decode, no_method};
use crate::{
    call::{Answer, Call, Shape},
    error::{Error, Result},
    message::{Body, ContentType, Request, Response},
};

/// How often a watcher's answer is looked at anew.
const LOOK: Duration = Duration::from_millis(250);

/// Answers for a server: for the whole under the empty name, and for each type of its endpoints, with
/// or without the package before it.
pub(super) struct Health(pub(super) Arc<dyn Call>);

#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;
const SERVICE_UNKNOWN: i32 = 3;

impl Call for Health {
    fn call(&self, request: Request) -> Answer {
        let server = self.0.clone();
        let endpoint = request.endpoint().to_owned();
        let (_, content_type, body) = request.into_parts();
        Box::pin(async move {
            let question: Question = decode(&content_type, &body.into_bytes()?)?;
            if endpoint == "Health.Check"
                && let Some(checks) = checks(&*server)
            {
                checks.await;
            }
            let body = match &*endpoint {
                "Health.Check" => match look(&*server, &question.service) {
                    SERVICE_UNKNOWN => {
                        let service = question.service.escape_debug();
                        return Err(Error::not_found(format!("unknown service `{service}`")));
                    }
                    status => Body::from(Told { status }.encode_to_vec()),
                },
                "Health.Watch" => Body::stream(Watch::new(server, question.service)),
                other => return Err(no_method(other)),
            };
            Ok(Response::new(ContentType::Protobuf, body))
        })
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        let shape = Shape {
            response_stream: endpoint == "Health.Watch",
            idempotent: true,
            ..Shape::default()
        };
        matches!(endpoint, "Health.Check" | "Health.Watch").then_some(shape)
    }
}

type Checks = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the user's health checks, if there are any.
fn checks(server: &dyn Call) -> Option<Checks> {
    server.operations()?.check_health()
}

/// The status of a service of a server.
fn look(server: &dyn Call, service: &str) -> i32 {
    let Some(listing) = server.listing() else {
        // It answers, which is all that is known.
        return if service.is_empty() {
            SERVING
        } else {
            SERVICE_UNKNOWN
        };
    };
    let kind = service.rsplit('.').next().unwrap_or(service);
    let mut kinds = listing
        .endpoints
        .iter()
        .filter_map(|name| name.split('.').next());
    if !service.is_empty() && service != listing.service && !kinds.any(|known| known == kind) {
        return SERVICE_UNKNOWN;
    }
    if listing.ready { SERVING } else { NOT_SERVING }
}

/// The status now, and each time it is another.
struct Watch {
    server: Arc<dyn Call>,
    service: String,
    told: Option<i32>,
    next: Interval,
    /// Health checks that run.
    checks: Option<Checks>,
}

impl Watch {
    fn new(server: Arc<dyn Call>, service: String) -> Self {
        let mut next = tokio::time::interval(LOOK);
        next.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Watch {
            server,
            service,
            told: None,
            next,
            checks: None,
        }
    }
}

impl Stream for Watch {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.checks.is_none() {
                ready!(self.next.poll_tick(cx));
                self.checks = checks(&*self.server);
            }
            if let Some(checks) = &mut self.checks {
                ready!(checks.as_mut().poll(cx));
                self.checks = None;
            }
            let status = look(&*self.server, &self.service);
            if self.told != Some(status) {
                self.told = Some(status);
                return Poll::Ready(Some(Ok(Told { status }.encode_to_vec().into())));
            }
        }
    }
}
