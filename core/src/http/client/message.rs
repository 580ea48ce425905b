//! Requests and responses of the client.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    base64,
    error::{Error, Result},
    http::client::secret,
};

/// How much of a server's text about a failure is passed on.
const MAX_ERROR_TEXT: usize = 300;

/// A request. It may be sent twice, so it must be safe to repeat.
#[derive(Clone)]
pub struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// The timeout of the response at one host; `None` for the default.
    pub(super) within: Option<Duration>,
    /// The number of lost connections at which the request is still valid.
    pub(super) unless_lost: Option<u64>,
}

impl Request {
    /// Creates a request without a body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Request {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            within: None,
            unless_lost: None,
        }
    }

    /// Creates a `GET`. `path` begins with `/` and includes its query, both escaped: see [`escape`].
    pub fn get(path: impl Into<String>) -> Self {
        Request::new(Method::GET, path)
    }

    /// Creates a `PUT` without a body.
    pub fn put(path: impl Into<String>) -> Self {
        Request::new(Method::PUT, path)
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets a body of JSON; a header may set another content type.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("our own records are always JSON");
        self.body = body.into();
        let json = HeaderValue::from_static("application/json");
        self.headers.entry(header::CONTENT_TYPE).or_insert(json);
        self
    }

    /// Sets the timeout of the whole response, or of the head of a response that is read in lines.
    pub fn within(mut self, stall_timeout: Duration) -> Self {
        self.within = Some(stall_timeout);
        self
    }

    /// Does not send the request if a connection was lost since [`Http::lost`](super::Http::lost) returned `lost`, for
    /// requests that refer to an earlier response: the server may have started anew. The request then fails with
    /// [`Code::Aborted`](crate::Code::Aborted).
    pub fn unless_lost(mut self, lost: u64) -> Self {
        self.unless_lost = Some(lost);
        self
    }

    pub(super) fn to(&self, host: &str) -> Result<http::Request<Bytes>> {
        let built = http::Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, "micro-rs");
        let mut request = built.body(self.body.clone()).map_err(|error| {
            Error::invalid_argument(format!("`{}` cannot be asked for", self.path))
                .with_source(error)
        })?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

/// A response with its whole body.
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The number of the host that it is from.
    pub host: usize,
}

impl Answer {
    /// Returns the response if its status is a success, or the error that the status means.
    pub fn success(self) -> Result<Self> {
        match self.status.is_success() {
            true => Ok(self),
            false => Err(failure(self.status, &self.body)),
        }
    }

    /// Parses the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::data_loss("the answer is not the JSON that was expected").with_source(error)
        })
    }
}

/// The part of Kubernetes' text about a failure that matters.
#[derive(Deserialize)]
struct StatusBody {
    message: String,
}

/// The error that a status means, with the server's text.
pub(super) fn failure(status: StatusCode, body: &[u8]) -> Error {
    let text = match serde_json::from_slice::<StatusBody>(body) {
        Ok(said) => said.message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(4 * MAX_ERROR_TEXT)]).into_owned(),
    };
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text
        .trim()
        .chars()
        .take(MAX_ERROR_TEXT)
        .map(printable)
        .collect();
    let said = match body.is_empty() {
        true => format!("it answered {status}"),
        false => format!("it answered {status}: {text}"),
    };
    match status.as_u16() {
        401 => Error::unauthenticated(said),
        403 => Error::permission_denied(said),
        404 => Error::not_found(said),
        409 | 412 => Error::aborted(said),
        410 => Error::out_of_range(said),
        400..=428 => Error::invalid_argument(said),
        429 => Error::resource_exhausted(said),
        _ => Error::unavailable(said),
    }
}

/// Percent-encodes a text as one segment of a path, or as one value of a query.
pub fn escape(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, crate::url::ESCAPED).to_string()
}

/// Returns the value of `authorization` for a user.
pub fn basic(user: &str, password: &str) -> Result<HeaderValue> {
    let both = base64::encode(format!("{user}:{password}").as_bytes());
    secret(&format!("Basic {both}"))
}
