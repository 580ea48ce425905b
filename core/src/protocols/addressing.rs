//! Headers that name the intended server and the caller of a request, and the probe for a server's identity.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};

use crate::{
    call::{Call, Identity},
    error::{Error, Result},
    http::{HttpBody, h1::NodeConnections},
    net::sent::SentFlag,
    protocols::{
        failure::{self, failed},
        propagation::{FROM_SERVICE, TO_NODE, TO_SERVICE},
    },
    transport::addressee::Addressee,
};

/// Maximum size of the body of an error, in bytes.
const MAX_ERROR_SIZE: usize = 64 * 1024;

/// The addressing headers of requests to one node; empty if the node's server would not check them.
#[derive(Debug, Default)]
pub(crate) struct Addressing {
    addressee: Addressee,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The URI of the identity probe.
    uri: Uri,
}

impl Addressing {
    /// Headers for requests to `address`; `secure` selects `https`.
    pub(crate) fn new(addressee: Addressee, address: &str, secure: bool) -> Self {
        let mut parts = Parts::default();
        parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
        // A Unix socket has no name that HTTP knows.
        let authority = Authority::try_from(address).ok();
        parts.authority = authority.or(Some(Authority::from_static("localhost")));
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let mut headers = Vec::new();
        if !addressee.meant.is_empty() {
            let Identity { service, node } = &addressee.meant;
            for (name, said) in [
                (TO_SERVICE, &**service),
                (TO_NODE, &**node),
                (FROM_SERVICE, &*addressee.caller),
            ] {
                headers.extend(value(said).map(|value| (name, value)));
            }
        }
        Addressing {
            addressee,
            headers,
            uri: Uri::from_parts(parts).unwrap_or_default(),
        }
    }

    /// Whether there are addressing headers.
    pub(crate) fn is_some(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Adds the headers to a request.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }

    /// The request that asks a node for its identity.
    pub(crate) fn question(&self) -> Request<HttpBody> {
        let mut request = Request::new(HttpBody::empty());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = self.uri.clone();
        self.write(request.headers_mut());
        request
    }

    /// Checks that a node responds and, if there are addressing headers, that it has the expected identity.
    pub(crate) async fn knock(&self, node: &Arc<NodeConnections>) -> Result<()> {
        if self.is_some() {
            let answer = node.send(self.question(), &SentFlag::default()).await?;
            return self.read(answer).await;
        }
        let mut request = Request::new(HttpBody::empty());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = Uri::from_static("*");
        node.send(request, &SentFlag::default()).await.map(drop)
    }

    /// Checks the response to [`question`](Self::question).
    ///
    /// # Errors
    /// Reason `WRONG_SERVER` if another server responds.
    pub(crate) async fn read(&self, response: Response<HttpBody>) -> Result<()> {
        let there = identity(response.headers());
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let (head, body) = response.into_parts();
            return Err(failure::read(head.status, &head.headers, body, MAX_ERROR_SIZE).await);
        }
        self.addressee.check(there.as_ref())
    }
}

/// A name as a header value; `None` if the name is empty or not a valid value.
fn value(name: &str) -> Option<HeaderValue> {
    let is_plain = !name.is_empty() && name.trim() == name;
    HeaderValue::from_bytes(name.as_bytes())
        .ok()
        .filter(|_| is_plain)
}

/// The service and node in the headers; `None` if neither is present.
fn identity(headers: &HeaderMap) -> Option<Identity> {
    if !headers.contains_key(TO_SERVICE) && !headers.contains_key(TO_NODE) {
        return None;
    }
    // Different values are joined, so that they match no name.
    let text = |name: HeaderName| {
        let mut names: Vec<_> = headers.get_all(name).iter().collect();
        names.dedup();
        let names = names
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        names.collect::<Vec<_>>().join(", ")
    };
    Some(Identity::new(&text(TO_SERVICE), &text(TO_NODE)))
}

/// The result of [`check`].
pub(crate) enum AddressCheck {
    /// The request is for this server, or names no server.
    Accepted,
    /// The request is for another server.
    Misdirected(Error),
    /// The request only asks for this server's identity; this is the response.
    Identified(Response<HttpBody>),
}

/// Compares the service and node that a request names with this server's.
pub(crate) fn check(call: &dyn Call, method: &Method, headers: &HeaderMap) -> AddressCheck {
    let Some(meant) = identity(headers) else {
        return AddressCheck::Accepted;
    };
    match call.is_meant(&meant) {
        Err(error) if *method == Method::OPTIONS => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            AddressCheck::Identified(failed(&error, status))
        }
        Err(error) => {
            let caller = headers.get(FROM_SERVICE);
            tracing::debug!(%error, ?caller, "a request is meant for another server");
            AddressCheck::Misdirected(error)
        }
        Ok(is_certain) if *method == Method::OPTIONS => {
            let mut response = Response::new(HttpBody::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            for name in [TO_SERVICE, TO_NODE] {
                if let Some(value) = headers.get(&name).filter(|_| is_certain) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            AddressCheck::Identified(response)
        }
        Ok(_) => AddressCheck::Accepted,
    }
}
