//! The server's side: converts gRPC-Web requests into those of gRPC, and responses back.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, header, request::Parts};

use super::{text, trailers};
use crate::{
    http::{HttpBegun, HttpBody},
    protocols::{connection_context::ConnectionContext, dialect::Dialect, grpc},
    time::Nanos,
};

/// gRPC-Web: unary calls and server streams, in binary or in Base64.
#[derive(Debug)]
pub(crate) struct Server(pub(crate) Arc<grpc::Server>);

impl Dialect for Server {
    fn speaks(&self, head: &Parts) -> bool {
        let named = head.headers.get(header::CONTENT_TYPE);
        named.is_some_and(|named| named.as_bytes().starts_with(BINARY.as_bytes()))
    }

    fn begin(
        &self,
        mut request: Request<HttpBody>,
        connection: &ConnectionContext,
        now: Nanos,
    ) -> HttpBegun {
        let in_text = rename(request.headers_mut());
        if in_text {
            request = request.map(text::decoded);
        }
        match self.0.begin(request, connection, now) {
            HttpBegun::Done(response) => HttpBegun::Done(on_web(response, in_text)),
            HttpBegun::Running(answer) => {
                HttpBegun::Running(Box::pin(async move { on_web(answer.await, in_text) }))
            }
        }
    }
}

pub(super) const GRPC: &str = "application/grpc";
pub(super) const BINARY: &str = "application/grpc-web";
const TEXT: &str = "application/grpc-web-text";

/// Gives a request gRPC's content type. Returns whether its body is in Base64.
fn rename(headers: &mut HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|named| named.to_str().ok());
    let Some(named) = named else {
        return false;
    };
    let (in_text, rest) = match (named.strip_prefix(TEXT), named.strip_prefix(BINARY)) {
        (Some(rest), _) => (true, rest),
        (None, rest) => (false, rest.unwrap_or_default()),
    };
    if let Ok(named) = HeaderValue::try_from(format!("{GRPC}{rest}")) {
        headers.insert(header::CONTENT_TYPE, named);
    }
    in_text
}

/// Converts a gRPC response.
fn on_web(response: Response<HttpBody>, in_text: bool) -> Response<HttpBody> {
    let (mut head, mut body) = response.into_parts();
    let named = head.headers.remove(header::CONTENT_TYPE);
    let Some(named) = named else {
        // It is refused as no call.
        return Response::from_parts(head, body);
    };
    if head.headers.contains_key(grpc::STATUS) {
        // The response has only trailers. Pages of other origins can see them in the body only.
        let trailers = std::mem::take(&mut head.headers);
        body = HttpBody::Trailed(bytes::Bytes::new(), Box::new(trailers));
    }
    let family = if in_text { TEXT } else { BINARY };
    let rest = named
        .to_str()
        .ok()
        .and_then(|named| named.strip_prefix(GRPC));
    let named = HeaderValue::try_from(format!("{family}{}", rest.unwrap_or_default()));
    let named = named.unwrap_or(HeaderValue::from_static(BINARY));
    head.headers.insert(header::CONTENT_TYPE, named);
    let body = trailers::in_body(body);
    let body = if in_text { text::encoded(body) } else { body };
    Response::from_parts(head, body)
}
