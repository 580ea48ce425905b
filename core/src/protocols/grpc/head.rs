//! The head of a request: encoding, timeout and context.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::timeout;
use crate::{
    context::{Compression, Context},
    error::{Error, Result},
    http::compression::Encoding,
    message::{ContentType, Metadata},
    protocols::propagation::{PropagatedHeaders, is_addressee},
    time::Nanos,
};

pub(super) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// go-micro's content type, beside gRPC's own.
pub(super) const CONTENT_TYPE_BESIDE: HeaderName = HeaderName::from_static("x-content-type");

/// A parsed head.
pub(super) struct Head {
    pub(super) context: Context,
    pub(super) content_type: ContentType,
    /// The content type of the response, as the request named it.
    pub(super) named: HeaderValue,
    /// The compression of the request's messages.
    pub(super) encoding: Option<Encoding>,
    /// The compression that the response may use, if the handler wants it.
    pub(super) accepted: Option<Encoding>,
    /// Whether the body is a stream, which only our own clients tell.
    pub(super) streams: bool,
    /// Whether the caller is go-micro.
    pub(super) of_go_micro: bool,
}

/// Whether a content type is gRPC's, valid or not; that of gRPC-Web is not.
pub(super) fn is_grpc(content_type: &HeaderValue) -> bool {
    let Some(rest) = content_type.as_bytes().strip_prefix(b"application/grpc") else {
        return false;
    };
    !rest.starts_with(b"-web")
}

/// The encoding of messages, by the content type and go-micro's header; `None` if the
/// content type is not gRPC's.
pub(super) fn content_type(
    named: &HeaderValue,
    beside: Option<&HeaderValue>,
) -> Option<ContentType> {
    let rest = named.to_str().ok()?.strip_prefix("application/grpc")?;
    let (subtype, parameters) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    Some(match (subtype.trim_end(), parameters) {
        ("", _) => match beside.and_then(|beside| beside.to_str().ok()) {
            Some(beside) => of_go_micro(beside),
            None => ContentType::Protobuf,
        },
        ("+proto", _) => ContentType::Protobuf,
        ("+json", _) => ContentType::Json,
        ("+bytes", _) => ContentType::Bytes,
        (other, _) => ContentType::parse(&format!("application/{}", other.strip_prefix('+')?)),
    })
}

/// gRPC's name of a content type.
pub(super) fn name(content_type: &ContentType) -> HeaderValue {
    match content_type {
        ContentType::Protobuf => HeaderValue::from_static("application/grpc+proto"),
        ContentType::Json => HeaderValue::from_static("application/grpc+json"),
        ContentType::Bytes => HeaderValue::from_static("application/grpc+bytes"),
        other => {
            let subtype = other.as_str().split('/').nth(1).unwrap_or_default();
            HeaderValue::try_from(format!("application/grpc+{subtype}"))
                .unwrap_or(HeaderValue::from_static("application/grpc"))
        }
    }
}

/// A content type by go-micro's names, some of which are its own.
fn of_go_micro(name: &str) -> ContentType {
    match name {
        "application/grpc+json" => ContentType::Json,
        "application/grpc" | "application/grpc+proto" => ContentType::Protobuf,
        "application/grpc+bytes" => ContentType::Bytes,
        name => ContentType::parse(name),
    }
}

/// Parses a head in one pass over its headers. `None` if the content type is not gRPC's.
///
/// # Errors
/// `Internal` for an invalid timeout, `Unimplemented` for an unknown encoding.
pub(super) fn read(headers: &HeaderMap, received: Nanos) -> Option<Result<Head>> {
    let named = headers.get(http::header::CONTENT_TYPE)?;
    let mut beside = None;
    let mut left: Option<Duration> = None;
    let mut encoding = Ok(None);
    let mut says_encoding = false;
    let mut accepted = None;
    let mut wrong = None;
    let mut of_go_micro = false;
    let mut streams = false;
    let mut propagated = PropagatedHeaders::default();
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let text = || value.to_str().unwrap_or_default();
        match name.as_str() {
            "te" | "content-type" => {}
            "grpc-accept-encoding" => accepted = Encoding::chosen(text()),
            "grpc-timeout" => match timeout::read(text()) {
                Some(told) => left = Some(left.map_or(told, |left| left.min(told))),
                None => {
                    let said = value.as_bytes().escape_ascii();
                    wrong = Some(Error::internal(format!("malformed grpc-timeout: `{said}`")));
                }
            },
            "timeout" => {
                if let Ok(told) = text().parse() {
                    let told = Duration::from_nanos(told);
                    left = Some(left.map_or(told, |left| left.min(told)));
                }
                of_go_micro = true;
            }
            "x-content-type" => {
                beside = Some(value);
                of_go_micro = true;
            }
            "grpc-encoding" => {
                encoding = Encoding::named(text());
                says_encoding = true;
            }
            "micro-body" => streams = true,
            name if is_addressee(name) => {}
            name if propagated.read(name, value) => {}
            other => metadata.append(other, &String::from_utf8_lossy(value.as_bytes())),
        }
    }
    let content_type = content_type(named, beside)?;
    let of_ours = propagated.counts_attempts();
    let mut context = propagated.context(received, left, metadata);
    // Our own callers always list what they accept, and name what they use if anybody looks.
    if says_encoding || accepted.is_some() && !of_ours {
        context.set_compression(Compression::new());
    }
    Some(match (wrong, encoding) {
        (Some(error), _) | (None, Err(error)) => Err(error),
        (None, Ok(encoding)) => Ok(Head {
            context,
            content_type,
            named: named.clone(),
            encoding,
            accepted,
            streams,
            // Our own callers name the codec as go-micro's do, and send the number of attempts.
            of_go_micro: of_go_micro && !of_ours,
        }),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::time::NEVER;

    fn head(headers: &[(&'static str, &'static str)]) -> Option<Result<Head>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        read(&map, 0)
    }

    fn encoded(headers: &[(&'static str, &'static str)]) -> ContentType {
        head(headers).unwrap().unwrap().content_type
    }

    #[test]
    fn content_type_has_the_encoding_or_leaves_it_to_go_micro() {
        let named = |name| encoded(&[("content-type", name)]);
        assert_eq!(named("application/grpc"), ContentType::Protobuf);
        assert_eq!(named("application/grpc+proto"), ContentType::Protobuf);
        assert_eq!(named("application/grpc+json; x=y"), ContentType::Json);
        assert_eq!(named("application/grpc;x"), ContentType::Protobuf);
        let bare = ("content-type", "application/grpc");
        let beside = |name| encoded(&[bare, ("x-content-type", name)]);
        assert_eq!(beside("application/json"), ContentType::Json);
        assert_eq!(beside("application/grpc+json"), ContentType::Json);
        assert_eq!(beside("application/protobuf"), ContentType::Protobuf);
        assert!(head(&[("content-type", "application/grpcx")]).is_none());
    }

    #[test]
    fn least_timeout_counts() {
        let of = |headers: &[_]| {
            let all = [&[("content-type", "application/grpc")], headers].concat();
            head(&all).unwrap().map(|head| head.context.deadline())
        };
        assert_eq!(of(&[]).unwrap(), NEVER);
        assert_eq!(
            of(&[("grpc-timeout", "5u"), ("timeout", "6000")]).unwrap(),
            5000
        );
        assert_eq!(
            of(&[("grpc-timeout", "5m"), ("timeout", "6000")]).unwrap(),
            6000
        );
        assert_eq!(of(&[("timeout", "junk")]).unwrap(), NEVER);
        assert!(of(&[("grpc-timeout", "junk")]).is_err());
    }
}
