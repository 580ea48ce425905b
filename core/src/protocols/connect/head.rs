//! The head of a request: form, encoding, timeout and context.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::metadata;
use crate::{
    context::Context,
    error::{Error, Result},
    http::compression::Encoding,
    message::{ContentType, Metadata},
    protocols::propagation::PropagatedHeaders,
    time::Nanos,
};

pub(super) const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
/// The compression of a stream's messages; a unary message has HTTP's own header.
pub(super) const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
pub(super) const STREAM_ACCEPT: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// The form of a call in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RpcKind {
    /// One message each way, without envelopes; errors by the status.
    Unary,
    /// Messages in envelopes, of which the last has the end of the call.
    Stream,
}

/// The form and encoding of a content type; `None` if it is not Connect's.
pub(super) fn parse_content_type(named: &HeaderValue) -> Option<(RpcKind, ContentType)> {
    let bare = named.to_str().ok()?.split(';').next()?.trim_end();
    let rest = bare.strip_prefix("application/")?;
    match rest.strip_prefix("connect+") {
        Some(name) => Some((RpcKind::Stream, codec(name)?)),
        None => Some((RpcKind::Unary, codec(rest)?)),
    }
}

/// The encoding with a name.
pub(super) fn codec(name: &str) -> Option<ContentType> {
    match name {
        "json" => Some(ContentType::Json),
        "proto" => Some(ContentType::Protobuf),
        _ => None,
    }
}

/// Connect's name of an encoding; `None` if it has none.
pub(super) fn codec_name(content_type: &ContentType) -> Option<&'static str> {
    match content_type {
        ContentType::Json => Some("json"),
        ContentType::Protobuf => Some("proto"),
        _ => None,
    }
}

/// Connect's name of a content type; others cannot be sent.
pub(super) fn name(kind: RpcKind, content_type: &ContentType) -> HeaderValue {
    HeaderValue::from_static(match (kind, content_type) {
        (RpcKind::Unary, ContentType::Json) => "application/json",
        (RpcKind::Unary, _) => "application/proto",
        (RpcKind::Stream, ContentType::Json) => "application/connect+json",
        (RpcKind::Stream, _) => "application/connect+proto",
    })
}

/// A parsed head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) context: Context,
    /// The compression of the request's messages.
    pub(super) encoding: Option<Encoding>,
    /// The compression that the response may use.
    pub(super) accepted: Option<Encoding>,
}

/// Parses a head in one pass over its headers.
///
/// # Errors
/// `InvalidArgument` for an invalid timeout or version, `Unimplemented` for an unknown encoding.
pub(super) fn read(headers: &HeaderMap, kind: RpcKind, received: Nanos) -> Result<Head> {
    let mut left: Option<Duration> = None;
    let mut encoding = None;
    let mut accepted = None;
    let mut propagated = PropagatedHeaders::default();
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let text = || value.to_str().unwrap_or_default();
        match (name.as_str(), kind) {
            ("connect-protocol-version", _) => version(text())?,
            ("connect-timeout-ms", _) => left = Some(timeout(text())?),
            ("content-encoding", RpcKind::Unary)
            | ("connect-content-encoding", RpcKind::Stream) => {
                encoding = Encoding::named(text())?;
            }
            ("accept-encoding", RpcKind::Unary) | ("connect-accept-encoding", RpcKind::Stream) => {
                accepted = Encoding::chosen(text());
            }
            (name, _) if propagated.read(name, value) => {}
            (name, _) if metadata::is_reserved(name) => {}
            (name, _) => metadata.append(name, &String::from_utf8_lossy(value.as_bytes())),
        }
    }
    Ok(Head {
        context: propagated.context(received, left, metadata),
        encoding,
        accepted,
    })
}

fn version(text: &str) -> Result<()> {
    match text {
        "1" => Ok(()),
        other => Err(Error::invalid_argument(format!(
            "`connect-protocol-version` is `{}`; only 1 is known here",
            other.escape_debug()
        ))),
    }
}

/// Parses milliseconds, in at most ten digits.
fn timeout(text: &str) -> Result<Duration> {
    let is_one = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let millis = text.parse().ok().filter(|_| is_one);
    millis.map(Duration::from_millis).ok_or_else(|| {
        Error::invalid_argument(format!(
            "`connect-timeout-ms` is `{}`; it has up to ten digits",
            text.escape_debug()
        ))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::time::NEVER;

    fn head(headers: &[(&'static str, &'static str)]) -> Result<Head> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        read(&map, RpcKind::Unary, 7)
    }

    #[test]
    fn content_type_has_form_and_encoding() {
        let of = |text| parse_content_type(&HeaderValue::from_static(text));
        assert_eq!(
            of("application/json; charset=utf-8"),
            Some((RpcKind::Unary, ContentType::Json))
        );
        assert_eq!(
            of("application/connect+proto"),
            Some((RpcKind::Stream, ContentType::Protobuf))
        );
        for wrong in ["application/foo", "text/json", "application/connect+foo"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn timeout_has_at_most_ten_digits() {
        let deadline =
            |text| head(&[("connect-timeout-ms", text)]).map(|head| head.context.deadline());
        assert_eq!(deadline("5").unwrap(), 5_000_007);
        assert_eq!(deadline("9999999999").unwrap(), 9_999_999_999_000_007);
        for wrong in ["", "+1", "-1", "1s", "12345678901"] {
            assert!(deadline(wrong).is_err(), "{wrong}");
        }
        assert_eq!(head(&[]).unwrap().context.deadline(), NEVER);
        assert!(head(&[("connect-protocol-version", "2")]).is_err());
    }

    #[test]
    fn headers_of_the_protocol_are_no_metadata() {
        let head = head(&[
            ("content-type", "application/json"),
            ("connect-protocol-version", "1"),
            ("micro-attempts", "3"),
            ("tenant", "acme"),
        ])
        .unwrap();
        let all: Vec<_> = head.context.metadata().iter().collect();
        assert_eq!(all, [("tenant", "acme")]);
        assert_eq!(head.context.attempts_left(), Some(3));
    }
}
