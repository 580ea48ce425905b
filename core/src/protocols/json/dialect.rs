//! The server's side of plain HTTP.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};

use super::{LINES, lines::Lines};
use crate::{
    call::{Begun, Refusal, Shape},
    error::{Code, Error, Outcome, Result},
    http::{HttpBegun, HttpBody, coding, too_large},
    message::{self, Body, ContentType},
    protocols::{
        connection_context::{ConnectionContext, Route},
        dialect::Dialect,
        failure::failed,
        propagation,
    },
    time::Nanos,
};

/// The dialect of all requests that no other dialect accepts.
pub(crate) struct Server;

impl Dialect for Server {
    fn speaks(&self, _: &Parts) -> bool {
        true
    }

    fn begin(
        &self,
        request: Request<HttpBody>,
        connection: &ConnectionContext,
        now: Nanos,
    ) -> HttpBegun {
        let (mut head, body) = request.into_parts();
        if is_too_large(&head, &body, connection.limits.max_message_size) {
            return HttpBegun::Done(over(too_large(connection.limits.max_message_size)));
        }
        let (route, content_type) = match asked(&head, &body, connection) {
            Ok(asked) => asked,
            Err(response) => return HttpBegun::Done(*response),
        };
        let coding = match coding::of(&head.headers) {
            Ok(coding) => coding,
            Err(error) => {
                connection.access.count(Refusal::ContentEncoding);
                let mut response = not_taken(&error);
                let headers = response.headers_mut();
                headers.insert(header::ACCEPT_ENCODING, coding::ACCEPTED);
                return HttpBegun::Done(response);
            }
        };
        // The body that is passed on is decoded.
        head.headers.remove(header::CONTENT_ENCODING);
        let most = connection.limits.max_message_size;
        let context = propagation::context(&head.headers, now, propagation::timeout(&head.headers));
        let is_json = content_type == ContentType::Json;
        let request = move |data: Bytes| {
            let data = match (&content_type, data.is_empty()) {
                (ContentType::Json, true) => Bytes::from_static(b"{}"),
                _ => data,
            };
            let shape = route.shape.unwrap_or_default();
            let body = Body::from(data);
            message::Request::build(route.target, context, content_type, body, shape.idempotent)
        };
        match body {
            HttpBody::Whole(data) | HttpBody::Trailed(data, _) => {
                let data = match coding::decode(coding, data, most) {
                    Ok(data) => data,
                    Err(error) => return HttpBegun::Done(over(error)),
                };
                match connection.call.begin(request(data), now) {
                    Begun::Done(answer) => HttpBegun::Done(said(answer, is_json)),
                    Begun::Running(answer) => {
                        HttpBegun::Running(Box::pin(async move { said(answer.await, is_json) }))
                    }
                }
            }
            body => {
                let call = connection.call.clone();
                HttpBegun::Running(Box::pin(async move {
                    let collected = body.collect(most).await;
                    match collected.and_then(|(data, _)| coding::decode(coding, data, most)) {
                        Ok(data) => said(call.call(request(data)).await, is_json),
                        Err(error) if error.outcome() == Outcome::Rejected => {
                            said(Err(error), is_json)
                        }
                        Err(error) => over(error),
                    }
                }))
            }
        }
    }
}

/// The endpoint of a request and the encoding of its body, or the error.
fn asked(
    head: &Parts,
    body: &HttpBody,
    connection: &ConnectionContext,
) -> Result<(Route, ContentType), Box<Response<HttpBody>>> {
    let route = connection.route(head.uri.path());
    if head.method != Method::POST {
        let shape = route.and_then(|route| route.shape);
        return Err(Box::new(not_posted(head, shape)));
    }
    let route = route.ok_or_else(|| Box::new(failed(&nowhere(head), StatusCode::NOT_FOUND)))?;
    // A body that a page of another origin may post without a preflight is never a message.
    let error = match head.headers.get(header::CONTENT_TYPE) {
        None if is_empty(body) => return Ok((route, ContentType::Json)),
        None => "a body needs a content type; send `content-type: application/json`".to_owned(),
        Some(said) => {
            let content_type = ContentType::parse(&String::from_utf8_lossy(said.as_bytes()));
            match &content_type {
                ContentType::Other(name) if may_be_unasked(name) => format!(
                    "content type `{}` is not taken; send `content-type: application/json`",
                    name.escape_debug()
                ),
                _ => return Ok((route, content_type)),
            }
        }
    };
    connection.access.count(Refusal::ContentType);
    Err(Box::new(not_taken(&Error::unimplemented(error))))
}

/// Whether a body is known to be empty.
fn is_empty(body: &HttpBody) -> bool {
    match body {
        HttpBody::Whole(data) | HttpBody::Trailed(data, _) => data.is_empty(),
        HttpBody::Prefixed(_) | HttpBody::Stream(_) => false,
    }
}

/// Whether a page may post this content type to another origin without a preflight: one that the Fetch
/// standard calls safelisted, a variant of it, or none.
fn may_be_unasked(name: &str) -> bool {
    name.is_empty()
        || name.starts_with("text/")
        || name.starts_with("multipart/")
        || name == "application/x-www-form-urlencoded"
}

/// Whether a body is known to exceed the limit before it is read.
fn is_too_large(head: &Parts, body: &HttpBody, most: usize) -> bool {
    match body {
        HttpBody::Whole(data) | HttpBody::Trailed(data, _) => data.len() > most,
        HttpBody::Prefixed(parts) => parts.len() > most,
        HttpBody::Stream(_) => {
            let length = head.headers.get(header::CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok());
            length
                .is_some_and(|length| length.parse().is_ok_and(|length: u64| length > most as u64))
        }
    }
}

fn nowhere(head: &Parts) -> Error {
    Error::not_found(format!(
        "there is nothing at `{}`; an endpoint is called by `POST /Type.Method`",
        head.uri.path()
    ))
}

/// The response to a method that cannot call.
fn not_posted(head: &Parts, shape: Option<Shape>) -> Response<HttpBody> {
    let anything = head.uri.path() == "*";
    if shape.is_none() && !anything {
        return failed(&nowhere(head), StatusCode::NOT_FOUND);
    }
    let mut response = if head.method == Method::OPTIONS {
        let mut response = Response::new(HttpBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        let error = Error::unimplemented(format!(
            "endpoints are called by `POST`, not by `{}`",
            head.method
        ));
        failed(&error, StatusCode::METHOD_NOT_ALLOWED)
    };
    let allowed = HeaderValue::from_static("POST, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// Converts a response to HTTP. If an endpoint does not support the body's content type, it may support
/// JSON: 415.
fn said(answer: Result<message::Response>, is_json: bool) -> Response<HttpBody> {
    match answer {
        Ok(answer) => fine(answer),
        Err(error) if error.code() == Code::Unimplemented && !is_json => unknown_codec(&error),
        Err(error) => {
            let status = StatusCode::from_u16(error.code().http_status());
            failed(&error, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// The response to a content type without a codec, as plain text, since the client may not read JSON either.
fn unknown_codec(error: &Error) -> Response<HttpBody> {
    let mut response = failed(error, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    *response.body_mut() = HttpBody::Whole(format!("{}\n", error.message()).into());
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// The response to a content type or encoding that is not accepted.
fn not_taken(error: &Error) -> Response<HttpBody> {
    failed(error, StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn fine(mut answer: message::Response) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    let headers = response.headers_mut();
    propagation::write_answer(&answer, headers);
    let is_stream = answer.body().is_stream();
    let content_type = match (is_stream, answer.content_type()) {
        (true, ContentType::Json) => HeaderValue::from_static(LINES),
        (_, ContentType::Json) => HeaderValue::from_static("application/json"),
        (_, other) => HeaderValue::try_from(other.as_str())
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    let body = answer.body_mut().take();
    *response.body_mut() = match body.as_bytes() {
        Some(data) => HttpBody::Whole(data.clone()),
        None => HttpBody::stream(Lines::new(body.into_stream())),
    };
    response
}

/// The response to a body that is too large: 413.
fn over(error: Error) -> Response<HttpBody> {
    let status = match error.code() {
        Code::ResourceExhausted => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    failed(&error, status)
}
