//! Headers of go-micro's messages, and their values.

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use super::envelope::Envelope;
use crate::message::ContentType;

pub(super) const SERVICE: HeaderName = HeaderName::from_static("micro-service");
/// Like [`ENDPOINT`], this is `Type.Method`.
pub(super) const METHOD: HeaderName = HeaderName::from_static("micro-method");
pub(super) const ENDPOINT: HeaderName = HeaderName::from_static("micro-endpoint");
/// The client's number of the call.
pub(super) const ID: HeaderName = HeaderName::from_static("micro-id");
pub(super) const X_ID: HeaderName = HeaderName::from_static("x-micro-id");
/// Identifies a stream; not sent by clients before v1.9.
pub(super) const STREAM: HeaderName = HeaderName::from_static("micro-stream");
/// The error of a call, or [`EOS`].
pub(super) const ERROR: HeaderName = HeaderName::from_static("micro-error");
pub(super) const X_ERROR: HeaderName = HeaderName::from_static("x-micro-error");
/// The message is an event.
pub(super) const TOPIC: HeaderName = HeaderName::from_static("micro-topic");
/// The names are in headers.
const PROTOCOL: HeaderName = HeaderName::from_static("micro-protocol");
/// The names are in the envelope.
const TARGET: HeaderName = HeaderName::from_static("micro-target");
/// Our own: the client reads on after it has ended its side of a stream, and the server then reports the
/// end. go-micro does not do this.
pub(super) const HALF_CLOSE: HeaderName = HeaderName::from_static("micro-half-close");
/// Our own: the number of an error's code, if its HTTP status is less precise.
pub(super) const CODE: HeaderName = HeaderName::from_static("micro-code");
/// The text of the error that ends a stream in order.
pub(super) const EOS: &str = "EOS";

/// The same names with the prefix `X-`, as clients before 2019 send them.
static TWINS: [(HeaderName, HeaderName); 9] = [
    (SERVICE, HeaderName::from_static("x-micro-service")),
    (METHOD, HeaderName::from_static("x-micro-method")),
    (ENDPOINT, HeaderName::from_static("x-micro-endpoint")),
    (ID, X_ID),
    (STREAM, HeaderName::from_static("x-micro-stream")),
    (ERROR, X_ERROR),
    (TOPIC, HeaderName::from_static("x-micro-topic")),
    (PROTOCOL, HeaderName::from_static("x-micro-protocol")),
    (TARGET, HeaderName::from_static("x-micro-target")),
];

/// The value of a name, with or without the prefix; an empty one counts as missing.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let full = |name: &HeaderName| headers.get(name).filter(|value| !value.is_empty());
    full(name).or_else(|| {
        let twin = TWINS.iter().find(|(bare, _)| bare == name);
        twin.and_then(|(_, twin)| full(twin))
    })
}

/// The value as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    value(headers, name)?.to_str().ok()
}

/// `Type.Method`, if a header has it.
pub(super) fn endpoint(headers: &HeaderMap) -> Option<&str> {
    text(headers, &ENDPOINT).or_else(|| text(headers, &METHOD))
}

/// Whether a header names service or endpoint.
fn is_named(headers: &HeaderMap) -> bool {
    let names = [SERVICE, METHOD, ENDPOINT];
    names.iter().any(|name| value(headers, name).is_some())
}

/// The content type without parameters, in lower case; go-micro's default if there is none.
fn media_type(headers: &HeaderMap) -> String {
    let Some(said) = headers.get(header::CONTENT_TYPE) else {
        return "application/protobuf".to_owned();
    };
    let said = String::from_utf8_lossy(said.as_bytes());
    let bare = said.split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}

/// Whether a request belongs to this protocol: by its headers, or as an envelope posted to `/`.
pub(super) fn is_ours(head: &Parts) -> bool {
    let headers = &head.headers;
    let marks = [SERVICE, METHOD, ENDPOINT, TOPIC, PROTOCOL, TARGET, STREAM];
    if marks.iter().any(|name| value(headers, name).is_some()) {
        return true;
    }
    let to_root = head.method == http::Method::POST && head.uri.path() == "/";
    to_root && headers.contains_key(header::CONTENT_TYPE) && format(headers).0 != Envelope::Bare
}

/// The envelope of a body, and the encoding of the message inside. Decided like go-micro v6, except that
/// requests with `X-Micro-` headers alone are served, as up to v1.1.
pub(super) fn format(headers: &HeaderMap) -> (Envelope, ContentType) {
    let media_type = media_type(headers);
    let said = |name: &HeaderName| value(headers, name).is_some();
    let old = match (said(&PROTOCOL) || said(&TOPIC), said(&TARGET)) {
        (true, _) => false,
        (false, target) => target || !is_named(headers),
    };
    match (&*media_type, old) {
        ("application/json-rpc", _) | ("application/json", true) => {
            (Envelope::Json, ContentType::GoJson)
        }
        ("application/json", false) => (Envelope::Bare, ContentType::GoJson),
        ("application/proto-rpc", _)
        | ("application/protobuf" | "application/octet-stream", true) => {
            (Envelope::Proto, ContentType::Protobuf)
        }
        (other, _) => (Envelope::Bare, ContentType::parse(other)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn old_and_new_requests_are_distinguished_like_go_micro() {
        let json = ("Content-Type", "application/json");
        let proto = ("Content-Type", "application/protobuf");
        let bytes = ("Content-Type", "application/octet-stream");
        for (lines, envelope, content_type) in [
            (vec![json], Envelope::Json, ContentType::GoJson),
            (vec![proto], Envelope::Proto, ContentType::Protobuf),
            (vec![bytes], Envelope::Proto, ContentType::Protobuf),
            (vec![], Envelope::Proto, ContentType::Protobuf),
            (
                vec![
                    ("Content-Type", "application/json-rpc"),
                    ("Micro-Service", "a"),
                ],
                Envelope::Json,
                ContentType::GoJson,
            ),
            (
                vec![json, ("Micro-Service", "a")],
                Envelope::Bare,
                ContentType::GoJson,
            ),
            (
                vec![json, ("X-Micro-Method", "a")],
                Envelope::Bare,
                ContentType::GoJson,
            ),
            (
                vec![json, ("Micro-Protocol", "mucp")],
                Envelope::Bare,
                ContentType::GoJson,
            ),
            (
                vec![json, ("Micro-Topic", "a")],
                Envelope::Bare,
                ContentType::GoJson,
            ),
            (
                vec![proto, ("X-Micro-Target", "a"), ("X-Micro-Method", "b")],
                Envelope::Proto,
                ContentType::Protobuf,
            ),
            (
                vec![bytes, ("micro-endpoint", "a")],
                Envelope::Bare,
                ContentType::Bytes,
            ),
            (
                vec![("MICRO-ENDPOINT", "a")],
                Envelope::Bare,
                ContentType::Protobuf,
            ),
        ] {
            assert_eq!(
                format(&headers(&lines)),
                (envelope, content_type),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn name_is_found_with_its_prefix_and_an_empty_value_is_none() {
        let both = headers(&[("X-Micro-Id", "7"), ("Micro-Id", "8"), ("Micro-Error", "")]);
        assert_eq!(text(&both, &ID), Some("8"));
        assert_eq!(text(&both, &ERROR), None);
        assert_eq!(text(&headers(&[("x-micro-id", "7")]), &ID), Some("7"));
    }
}
