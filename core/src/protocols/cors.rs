//! Pages of other origins: the CORS protocol of the [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol).

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};

use super::{dialect::Dialect, site::Site};
use crate::{
    error::{Error, Result},
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
/// Headers of an answer that a page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, micro-outcome, retry-after",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// Seconds for which a browser need not ask again: the most that any remembers.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// Whose pages may call.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    /// Everybody's.
    Any,
    /// Those of these origins, such as `https://shop.example`.
    These(Vec<String>),
}

impl Origins {
    /// Reads `*`, or origins with commas between them.
    ///
    /// # Errors
    /// `InvalidArgument` where one is no origin: a scheme, a host and a port at most.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.trim() == "*" {
            return Ok(Origins::Any);
        }
        let origins = text.split(',').map(|origin| {
            let origin = origin.trim().to_ascii_lowercase();
            match is_origin(&origin) {
                true => Ok(origin),
                false => Err(Error::invalid_argument(format!(
                    "`{origin}` is not an origin; write `*`, or origins such as `https://shop.example`"
                ))),
            }
        });
        origins.collect::<Result<_>>().map(Origins::These)
    }

    /// What an answer to a page of this origin says; `None` where it may not call.
    pub(crate) fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Origins::Any => Some(ANY),
            Origins::These(all) => {
                let said = all.iter().any(|one| one.as_bytes() == origin.as_bytes());
                said.then(|| origin.clone())
            }
        }
    }
}

fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    authority.is_some_and(|authority| !authority.as_str().contains('@'))
}

/// Stands before other dialects and answers what pages of allowed origins ask.
pub(crate) struct Cors {
    pub(crate) origins: Origins,
    /// Those behind it.
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

    fn begin(&self, request: Request<HttpBody>, site: &Site, now: Nanos) -> HttpBegun {
        let (head, body) = request.into_parts();
        let allowed = self.allows(&head);
        if let Some(asked) = preflight(&head) {
            let most = site.limits.message;
            return HttpBegun::poll(Box::pin(async move {
                // Until it has all come it counts as under way; what it says does not matter.
                let _ = body.collect(most).await;
                marked(asked, allowed)
            }));
        }
        let Some(dialect) = self.dialects.iter().find(|dialect| dialect.speaks(&head)) else {
            let mut response = Response::new(HttpBody::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return HttpBegun::Done(marked(response, allowed));
        };
        match dialect.begin(Request::from_parts(head, body), site, now) {
            HttpBegun::Done(response) => HttpBegun::Done(marked(response, allowed)),
            HttpBegun::Running(answer) => {
                HttpBegun::Running(Box::pin(async move { marked(answer.await, allowed) }))
            }
        }
    }
}

/// The answer to a browser that asks whether its page may ask; `None` for what is no such question.
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

/// An answer that the browser shows its page.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_more() {
        for fine in [
            "*",
            "https://a",
            "http://a:80, https://b.example",
            "https://[::1]:8",
        ] {
            assert!(Origins::parse(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "a",
            "https://",
            "https://a/",
            "https://a,",
            "*,https://a",
            "https://m@a",
        ] {
            let error = Origins::parse(wrong).unwrap_err();
            assert!(error.message().contains("is not an origin"), "{error}");
        }
    }
}
