//! The server's side: converts Connect requests into calls, and back.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use bytes::Bytes;
use http::{Method, Request as HttpRequest, Response, StatusCode, header, request::Parts};

use super::{
    head::{self, Head, RpcKind, TIMEOUT, VERSION},
    messages::Messages,
    query, stream, unary,
};
use crate::{
    call::{Begun, Call},
    error::{Code, Error, Outcome, Result},
    http::{HttpBegun, HttpBody, compression::Encoding, too_large},
    message::{Body, ContentType, Request, Response as Answer},
    protocols::{
        connection_context::{ConnectionContext, Route},
        dialect::Dialect,
        envelope::before,
        failure,
    },
    time::{self, NEVER, Nanos},
};

/// Connect: unary calls and streams, in JSON and Protobuf.
#[derive(Debug, Default)]
pub(crate) struct Server;

/// The content types of a call.
const CONTENT_TYPES: &str = "application/json, application/proto, application/connect+json, \
                     application/connect+proto";

impl Dialect for Server {
    /// JSON posts without Connect's headers are left to plain HTTP, which answers alike.
    fn speaks(&self, head: &Parts) -> bool {
        let headers = &head.headers;
        let named = headers.get(header::CONTENT_TYPE);
        named.is_some_and(|named| {
            let named = named.as_bytes();
            named.starts_with(b"application/connect+") || named == b"application/proto"
        }) || headers.contains_key(VERSION)
            || headers.contains_key(TIMEOUT)
            || asks(head).is_some()
    }

    fn begin(
        &self,
        request: HttpRequest<HttpBody>,
        connection: &ConnectionContext,
        now: Nanos,
    ) -> HttpBegun {
        let (parts, body) = request.into_parts();
        let asked = match asked(&parts, connection) {
            Ok(asked) => asked,
            Err(refused) => return HttpBegun::Done(*refused),
        };
        let reply = Reply {
            kind: asked.kind,
            content_type: asked.content_type,
            accepted: None,
            is_missing: asked.route.shape.is_none() && connection.call.listing().is_some(),
            deadline: NEVER,
        };
        let mut head = match head::read(&parts.headers, reply.kind, now) {
            Ok(head) => head,
            Err(error) => return HttpBegun::Done(reply.write(Err(error))),
        };
        let body = match asked.message {
            None => body,
            Some((message, encoding)) => {
                head.context.metadata_mut().insert(":method", "GET");
                match Encoding::named(&encoding) {
                    Ok(encoding) => head.encoding = encoding,
                    Err(error) => return HttpBegun::Done(reply.write(Err(error))),
                }
                HttpBody::Whole(message)
            }
        };
        let exchange = Exchange {
            call: connection.call.clone(),
            route: asked.route,
            reply: Reply {
                accepted: head.accepted,
                deadline: head.context.deadline(),
                ..reply
            },
            head,
            most: connection.limits.max_message_size,
        };
        match exchange.reply.kind {
            // The body is not read.
            _ if exchange.reply.is_missing => exchange.call(Body::empty(), now),
            RpcKind::Unary => exchange.unary(body, now),
            RpcKind::Stream => exchange.stream(body, now),
        }
    }
}

/// The query of a GET request.
fn asks(head: &Parts) -> Option<&str> {
    let query = head.uri.query().filter(|query| query::is_one(query))?;
    (head.method == Method::GET).then_some(query)
}

/// The kind of a request.
struct ParsedRequest {
    route: Route,
    kind: RpcKind,
    content_type: ContentType,
    /// The message of a GET, and its compression.
    message: Option<(Bytes, String)>,
}

/// The endpoint and form of a request, or the response to an invalid one.
fn asked(
    head: &Parts,
    connection: &ConnectionContext,
) -> Result<ParsedRequest, Box<Response<HttpBody>>> {
    let refused = |status, name, value| Box::new(failure::refused(status, name, value));
    let method_not_allowed = || refused(StatusCode::METHOD_NOT_ALLOWED, header::ALLOW, "POST");
    let unknown_type = || {
        let name = header::HeaderName::from_static("accept-post");
        refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, name, CONTENT_TYPES)
    };
    let failed = |error: Error, status| Box::new(unary::failed(&error, status));
    let query = asks(head);
    if head.method != Method::POST && query.is_none() {
        return Err(method_not_allowed());
    }
    let route = connection.route(head.uri.path()).ok_or_else(|| {
        let error = Error::unimplemented("there is no such path; it is `/package.Type/Method`");
        failed(error, StatusCode::NOT_FOUND)
    })?;
    let (kind, content_type, message) = match query {
        Some(query) => {
            if route.shape.is_some_and(|shape| !shape.read_only) {
                return Err(method_not_allowed());
            }
            let query = query::read(query);
            let query = query.map_err(|error| failed(error, StatusCode::BAD_REQUEST))?;
            if query.version.as_deref() != Some("v1") {
                let error = Error::invalid_argument("`connect` is not `v1`, which alone is known");
                return Err(failed(error, StatusCode::BAD_REQUEST));
            }
            let content_type = query.encoding.as_deref().and_then(head::codec);
            let content_type = content_type.ok_or_else(unknown_type)?;
            (
                RpcKind::Unary,
                content_type,
                Some((query.message, query.compression)),
            )
        }
        None => {
            let named = head.headers.get(header::CONTENT_TYPE);
            let (kind, content_type) = named
                .and_then(head::parse_content_type)
                .ok_or_else(unknown_type)?;
            (kind, content_type, None)
        }
    };
    let streams = route
        .shape
        .map(|shape| shape.request_stream || shape.response_stream);
    if streams.is_some_and(|streams| streams != (kind == RpcKind::Stream)) {
        return Err(unknown_type());
    }
    Ok(ParsedRequest {
        route,
        kind,
        content_type,
        message,
    })
}

/// What the response to a request depends on.
struct Reply {
    kind: RpcKind,
    content_type: ContentType,
    accepted: Option<Encoding>,
    /// Whether the endpoint does not exist.
    is_missing: bool,
    deadline: Nanos,
}

impl Reply {
    fn write(self, answer: Result<Answer>) -> Response<HttpBody> {
        match (answer, self.kind) {
            (Err(error), _) if self.is_missing && error.code() == Code::NotFound => {
                let text = error.message().to_owned();
                let error = Error::unimplemented(text).with_outcome(error.outcome());
                unary::failed(&error, StatusCode::NOT_FOUND)
            }
            (answer, RpcKind::Unary) => unary::write(answer, &self.content_type, self.accepted),
            (answer, RpcKind::Stream) => {
                stream::write(answer, &self.content_type, self.accepted, self.deadline)
            }
        }
    }
}

/// A request in progress.
struct Exchange {
    call: Arc<dyn Call>,
    route: Route,
    reply: Reply,
    head: Head,
    /// The largest size of a message.
    most: usize,
}

impl Exchange {
    fn unary(self, body: HttpBody, now: Nanos) -> HttpBegun {
        let most = self.most;
        match body {
            HttpBody::Whole(data) | HttpBody::Trailed(data, _) => self.whole(data, now),
            body => HttpBegun::Running(Box::pin(async move {
                let collected = before(self.reply.deadline, body.collect(most)).await;
                match collected {
                    Ok((data, _)) => self.whole(data, time::now()).response().await,
                    Err(error) => self.reply.write(Err(rejected(error))),
                }
            })),
        }
    }

    /// Calls with a complete message.
    fn whole(self, data: Bytes, now: Nanos) -> HttpBegun {
        let message = match self.head.encoding {
            _ if data.len() > self.most => Err(too_large(self.most)),
            Some(encoding) if !data.is_empty() => encoding.decompress(&data, self.most),
            _ => Ok(data),
        };
        match message {
            Ok(message) => self.call(message.into(), now),
            Err(error) => HttpBegun::Done(self.reply.write(Err(error))),
        }
    }

    fn stream(self, body: HttpBody, now: Nanos) -> HttpBegun {
        let mut messages = Messages::new(body, self.head.encoding, self.most);
        if self.route.shape.is_none_or(|shape| shape.request_stream) {
            return self.call(Body::stream(messages), now);
        }
        let mut first = None;
        let mut cx = TaskContext::from_waker(Waker::noop());
        match messages.poll_only(&mut first, &mut cx) {
            Poll::Ready(Ok(message)) => self.call(message.into(), now),
            Poll::Ready(Err(error)) => HttpBegun::Done(self.reply.write(Err(rejected(error)))),
            Poll::Pending => HttpBegun::Running(Box::pin(async move {
                let only = poll_fn(|cx| messages.poll_only(&mut first, cx));
                match before(self.reply.deadline, only).await {
                    Ok(message) => self.call(message.into(), time::now()).response().await,
                    Err(error) => self.reply.write(Err(rejected(error))),
                }
            })),
        }
    }

    /// Calls with everything known about the request.
    fn call(self, body: Body, now: Nanos) -> HttpBegun {
        let Exchange {
            call, route, reply, ..
        } = self;
        let idempotent = route.shape.unwrap_or_default().idempotent;
        let content_type = reply.content_type.clone();
        let context = self.head.context;
        let request = Request::build(route.target, context, content_type, body, idempotent);
        match call.begin(request, now) {
            Begun::Done(answer) => HttpBegun::Done(reply.write(answer)),
            Begun::Running(answer) => {
                HttpBegun::Running(Box::pin(async move { reply.write(answer.await) }))
            }
        }
    }
}

/// An error for a request for which no work was done.
fn rejected(error: Error) -> Error {
    if error.outcome() == Outcome::Rejected {
        return error;
    }
    error.with_outcome(Outcome::Answered)
}
