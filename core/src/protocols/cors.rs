//! Web pages of other origins: the CORS protocol of the [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol).

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};

use super::{
    connection_context::ConnectionContext,
    dialect::Dialect,
    origins::{ANY, Origins},
};
use crate::{
    http::{HttpBegun, HttpBody},
    time::Nanos,
};

/// Headers that a page may send, besides those that begin with `micro-`.
const HEADERS: [&str; 8] = [
    "authorization",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-type",
    "grpc-timeout",
    "traceparent",
    "x-grpc-web",
    "x-user-agent",
];
/// Response headers that a page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, micro-outcome, retry-after",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// How long a browser may cache the answer to a preflight request, in seconds: the most that any browser does.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// Answers preflight requests of allowed origins, before the other dialects.
pub(crate) struct Cors {
    pub(crate) origins: Origins,
    /// The other dialects.
    pub(crate) dialects: Vec<Arc<dyn Dialect>>,
}

impl Cors {
    fn allows(&self, head: &Parts) -> Option<HeaderValue> {
        self.origins.allow(head.headers.get(header::ORIGIN)?)
    }
}

impl Dialect for Cors {
    fn speaks(&self, head: &Parts) -> bool {
        self.allows(head).is_some()
    }

    fn begin(
        &self,
        request: Request<HttpBody>,
        connection: &ConnectionContext,
        now: Nanos,
    ) -> HttpBegun {
        let (head, body) = request.into_parts();
        let allowed = self.allows(&head);
        if let Some(asked) = preflight(&head) {
            let most = connection.limits.max_message_size;
            return HttpBegun::poll(Box::pin(async move {
                // The request counts as in progress until its body has arrived, whose content does not matter.
                let _ = body.collect(most).await;
                marked(asked, allowed)
            }));
        }
        let Some(dialect) = self.dialects.iter().find(|dialect| dialect.speaks(&head)) else {
            let mut response = Response::new(HttpBody::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return HttpBegun::Done(marked(response, allowed));
        };
        match dialect.begin(Request::from_parts(head, body), connection, now) {
            HttpBegun::Done(response) => HttpBegun::Done(marked(response, allowed)),
            HttpBegun::Running(answer) => {
                HttpBegun::Running(Box::pin(async move { marked(answer.await, allowed) }))
            }
        }
    }
}

/// The answer to a preflight request; `None` for any other request.
fn preflight(head: &Parts) -> Option<Response<HttpBody>> {
    let asks = head
        .headers
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if head.method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let names = asked.and_then(|asked| asked.to_str().ok());
    let names = names.unwrap_or_default().split(',').map(str::trim);
    let allowed: Vec<_> = names.filter(|name| may_be_sent(name)).collect();
    if let Ok(allowed) = HeaderValue::try_from(allowed.join(", ")) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    Some(response)
}

fn may_be_sent(name: &str) -> bool {
    let Ok(name) = name.parse::<HeaderName>() else {
        return false;
    };
    HEADERS.contains(&name.as_str()) || name.as_str().starts_with("micro-")
}

/// Adds the headers by which the browser passes a response to its page.
fn marked(mut response: Response<HttpBody>, allowed: Option<HeaderValue>) -> Response<HttpBody> {
    let Some(allowed) = allowed else {
        return response;
    };
    let headers = response.headers_mut();
    if allowed != ANY {
        headers.append(header::VARY, VARY);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}
