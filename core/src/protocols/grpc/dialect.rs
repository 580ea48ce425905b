//! The server's side: converts gRPC requests into calls, and back.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use http::{HeaderValue, Method, Request as HttpRequest, StatusCode, header, request::Parts};

use super::{
    answer::Reply,
    builtin,
    head::{self, Head},
    messages::Messages,
    reflection::Descriptors,
};
use crate::{
    call::{Begun, Call, Shape},
    error::{Code, Error, Outcome},
    http::{HttpBegun, HttpBody},
    message::{Body, ContentType, Request},
    protocols::{
        connection_context::{ConnectionContext, Route},
        dialect::Dialect,
        envelope::before,
        failure::refused,
    },
    time::{self, NEVER, Nanos},
};

/// gRPC over HTTP/2: unary calls and streams, health and reflection.
#[derive(Debug, Default)]
pub(crate) struct Server {
    descriptors: Descriptors,
}

impl Dialect for Server {
    fn speaks(&self, head: &Parts) -> bool {
        let content_type = head.headers.get(header::CONTENT_TYPE);
        content_type.is_some_and(head::is_grpc) && head.version == http::Version::HTTP_2
    }

    fn begin(
        &self,
        request: HttpRequest<HttpBody>,
        connection: &ConnectionContext,
        now: Nanos,
    ) -> HttpBegun {
        let (parts, body) = request.into_parts();
        let head = match head::read(&parts.headers, now) {
            Some(head) => head,
            None => {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                let known = "application/grpc, application/grpc+proto, application/grpc+json";
                return HttpBegun::Done(refused(status, header::ACCEPT, known));
            }
        };
        if parts.method != Method::POST {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return HttpBegun::Done(refused(status, header::ALLOW, "POST"));
        }
        let head = match head {
            Ok(head) => head,
            Err(error) => {
                let named = parts.headers.get(header::CONTENT_TYPE).cloned();
                let reply = Reply {
                    content_type: ContentType::Protobuf,
                    named: named.unwrap_or(HeaderValue::from_static("application/grpc")),
                    encoding: None,
                    accepted: None,
                    compression: None,
                    to_go_micro: false,
                    deadline: NEVER,
                };
                return HttpBegun::Done(reply.failed(&error));
            }
        };
        let reply = Reply {
            content_type: head.content_type.clone(),
            named: head.named.clone(),
            // A compressed request gets a compressed response; a client that sends plain messages may not decompress any.
            encoding: head.encoding,
            accepted: head.accepted,
            compression: head.context.compression().cloned(),
            to_go_micro: head.of_go_micro,
            deadline: head.context.deadline(),
        };
        let path = parts.uri.path();
        let Some(route) = connection.route(path) else {
            let path = path.escape_debug();
            let error = format!("malformed method name `{path}`; it is `/package.Type/Method`");
            return HttpBegun::Done(reply.failed(&Error::unimplemented(error)));
        };
        let builtin = match route.shape {
            Some(_) => None,
            None if connection.refuses => None,
            None => builtin::of(route.target.service(), &connection.call, &self.descriptors),
        };
        let (call, route) = match builtin {
            None => (connection.call.clone(), route),
            Some(builtin) => {
                let shape = builtin.shape(route.target.endpoint());
                (builtin, Route { shape, ..route })
            }
        };
        Exchange {
            call,
            route,
            reply,
            most: connection.limits.max_message_size,
        }
        .begin(head, body, now)
    }
}

/// A request in progress.
struct Exchange {
    call: Arc<dyn Call>,
    route: Route,
    reply: Reply,
    most: usize,
}

impl Exchange {
    fn begin(self, head: Head, body: HttpBody, now: Nanos) -> HttpBegun {
        let mut messages = Messages::new(
            body,
            head.encoding,
            self.most,
            self.reply.compression.clone(),
        );
        let streams = match self.route.shape {
            Some(shape) => shape.request_stream,
            // The endpoint does not exist, which can be reported before the body arrives; or nothing is known.
            None => head.streams || self.call.listing().is_some(),
        };
        if streams {
            return self.call(head, Body::stream(messages), now);
        }
        let mut first = None;
        let answers_by_stream = self.route.shape.is_some_and(|shape| shape.response_stream);
        let whole = !(answers_by_stream && head.of_go_micro);
        let mut cx = TaskContext::from_waker(Waker::noop());
        match messages.poll_only(&mut first, whole, &mut cx) {
            Poll::Ready(Ok(message)) => self.call(head, message.into(), now),
            Poll::Ready(Err(error)) => HttpBegun::Done(self.reply.failed(&rejected(error))),
            Poll::Pending => HttpBegun::Running(Box::pin(async move {
                let only = poll_fn(|cx| messages.poll_only(&mut first, whole, cx));
                match before(self.reply.deadline, only).await {
                    Err(error) => self.reply.failed(&rejected(error)),
                    Ok(message) => {
                        let begun = self.call(head, message.into(), time::now());
                        begun.response().await
                    }
                }
            })),
        }
    }

    /// Calls with everything known about the request.
    fn call(self, head: Head, body: Body, now: Nanos) -> HttpBegun {
        let Exchange {
            call, route, reply, ..
        } = self;
        let Shape { idempotent, .. } = route.shape.unwrap_or_default();
        let target = route.target.clone();
        let request = Request::build(target, head.context, head.content_type, body, idempotent);
        match call.begin(request, now) {
            Begun::Done(answer) => {
                let answer = answer.map_err(|error| unknown(error, &*call, &route));
                HttpBegun::Done(reply.write(answer))
            }
            Begun::Running(answer) => {
                HttpBegun::Running(Box::pin(async move { reply.write(answer.await) }))
            }
        }
    }
}

/// An error for a request for which no work was done.
fn rejected(error: Error) -> Error {
    match error.code() {
        Code::Cancelled | Code::DeadlineExceeded => error,
        _ if error.outcome() == Outcome::Rejected => error,
        _ => error.with_outcome(Outcome::Answered),
    }
}

/// The error for an unknown endpoint, for which gRPC has a code of its own.
fn unknown(error: Error, call: &dyn Call, route: &Route) -> Error {
    if error.code() != Code::NotFound || route.shape.is_some() || call.listing().is_none() {
        return error;
    }
    let (kind, method) = route.target.endpoint().rsplit_once('.').unwrap_or_default();
    let service = route.target.service();
    Error::unimplemented(format!(
        "unknown service {service}.{kind} or unknown method {method} for it: {}",
        error.message()
    ))
    .with_outcome(error.outcome())
}
