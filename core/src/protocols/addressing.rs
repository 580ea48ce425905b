//! Whom a request of HTTP is meant for and who sends it, as headers; and the question who answers at an address.

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

/// Bytes of the text of a refusal.
const REFUSAL: usize = 64 * 1024;

/// How a client says whom it means. To a node whose server would not check it, nothing is said.
#[derive(Debug, Default)]
pub(crate) struct Addressing {
    addressee: Addressee,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Where the node is asked who it is.
    uri: Uri,
}

impl Addressing {
    /// For requests to an address; `secure` says that TLS is spoken there.
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

    /// Whether somebody is named.
    pub(crate) fn is_some(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Writes it into the headers of a request.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }

    /// The request that asks a node whether it is the one that is meant.
    pub(crate) fn question(&self) -> Request<HttpBody> {
        let mut request = Request::new(HttpBody::empty());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = self.uri.clone();
        self.write(request.headers_mut());
        request
    }

    /// Whether a node answers: any response is a sign of life, unless it is known who has to give it.
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

    /// Reads the answer to that.
    ///
    /// # Errors
    /// For the reason `WRONG_SERVER` where another server answers.
    pub(crate) async fn read(&self, response: Response<HttpBody>) -> Result<()> {
        let there = identity(response.headers());
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let (head, body) = response.into_parts();
            return Err(failure::read(head.status, &head.headers, body, REFUSAL).await);
        }
        self.addressee.check(there.as_ref())
    }
}

/// A name as the value of a header; `None` for one that HTTP cannot carry, or that is empty.
fn value(name: &str) -> Option<HeaderValue> {
    let is_plain = !name.is_empty() && name.trim() == name;
    HeaderValue::from_bytes(name.as_bytes())
        .ok()
        .filter(|_| is_plain)
}

/// The service and node that headers name; `None` where they name neither.
fn identity(headers: &HeaderMap) -> Option<Identity> {
    if !headers.contains_key(TO_SERVICE) && !headers.contains_key(TO_NODE) {
        return None;
    }
    // Several that differ are nobody's name.
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

/// What becomes of a request by whom it is meant for.
pub(crate) enum Meant {
    /// It is to be answered here.
    Here,
    /// Another is meant.
    Elsewhere(Error),
    /// It only asks who is here.
    Asked(Response<HttpBody>),
}

/// Looks whom the headers of a request name.
pub(crate) fn look(call: &dyn Call, method: &Method, headers: &HeaderMap) -> Meant {
    let Some(meant) = identity(headers) else {
        return Meant::Here;
    };
    match call.is_meant(&meant) {
        Err(error) if *method == Method::OPTIONS => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Meant::Asked(failed(&error, status))
        }
        Err(error) => {
            let caller = headers.get(FROM_SERVICE);
            tracing::debug!(%error, ?caller, "a request is meant for another server");
            Meant::Elsewhere(error)
        }
        Ok(is_certain) if *method == Method::OPTIONS => {
            let mut response = Response::new(HttpBody::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            for name in [TO_SERVICE, TO_NODE] {
                if let Some(value) = headers.get(&name).filter(|_| is_certain) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            Meant::Asked(response)
        }
        Ok(_) => Meant::Here,
    }
}
