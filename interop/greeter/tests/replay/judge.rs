//! Whether a message of ours says what the recorded one says, to whoever read that.

use micro::{Codecs, ContentType, Message as _};
use micro_rs_interop_greeter::messages::Types;
use serde_json::Value;

use crate::wire::Message;

/// What a body is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    Bare,
    Json,
    Proto,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(string, tag = "1")]
    method: String,
    #[prost(fixed64, tag = "2")]
    seq: u64,
    #[prost(string, tag = "3")]
    error: String,
}

/// A message out of its envelope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) endpoint: String,
    pub(crate) id: Value,
    pub(crate) error: String,
    pub(crate) body: Vec<u8>,
}

/// The envelope of a request and its reply.
pub(crate) fn envelope(request: &Message) -> Envelope {
    let content_type = request
        .header("content-type")
        .unwrap_or("application/protobuf");
    let named = ["service", "method", "endpoint", "topic"]
        .iter()
        .any(|name| request.micro(name).is_some());
    match content_type {
        "application/json-rpc" => Envelope::Json,
        "application/proto-rpc" => Envelope::Proto,
        _ if named => Envelope::Bare,
        "application/json" => Envelope::Json,
        _ => Envelope::Proto,
    }
}

/// A request or reply out of its envelope; one that has no body has none either.
pub(crate) fn content(message: &Message, envelope: Envelope) -> Content {
    let mut content = Content {
        endpoint: message
            .micro("endpoint")
            .or(message.micro("method"))
            .unwrap_or_default()
            .into(),
        error: message.micro("error").unwrap_or_default().into(),
        ..Content::default()
    };
    match envelope {
        _ if message.body.is_empty() => {}
        Envelope::Bare => content.body.clone_from(&message.body),
        Envelope::Json => {
            let all: Value = serde_json::from_slice(&message.body).unwrap();
            content.id = all["id"].clone();
            let body = all.get("result").unwrap_or(&all["params"][0]);
            content.body = body.to_string().into_bytes();
            if let Some(method) = all["method"].as_str() {
                method.clone_into(&mut content.endpoint);
            }
            if let Some(error) = all["error"].as_str() {
                assert!(
                    content.error.is_empty() || content.error == error,
                    "header and envelope tell the same error"
                );
                error.clone_into(&mut content.error);
            } else {
                assert!(all["error"].is_null(), "an error is a string: {all}");
            }
        }
        Envelope::Proto => {
            let (head, rest) = part(&message.body);
            let (body, rest) = part(rest);
            assert!(rest.is_empty());
            let head = <Head as prost::Message>::decode(head).unwrap();
            content.id = head.seq.into();
            content.body = body.to_vec();
            if !head.method.is_empty() {
                content.endpoint = head.method;
            }
            if !head.error.is_empty() {
                content.error = head.error;
            }
        }
    }
    content
}

fn part(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u32::from_be_bytes(*length) as usize)
}

/// That a reply of ours is one that the recorded client takes for the recorded one.
pub(crate) fn reply(name: &str, request: &Message, recorded: &Message, ours: &Message) {
    assert_eq!(ours.first, "HTTP/1.1 200 OK", "{name}");
    for header in ["content-type", "micro-stream"] {
        if recorded.headers.contains_key(header) {
            assert_eq!(
                ours.header(header),
                recorded.header(header),
                "{name}: {header}"
            );
        }
    }
    assert!(
        ours.headers.contains_key("content-length"),
        "{name}: {ours:?}"
    );
    for echo in ["timeout", "accept", "user-agent", "micro-service"] {
        assert_eq!(ours.header(echo), None, "{name}: nothing is echoed");
    }
    assert_eq!(
        ours.header("micro-error"),
        ours.header("x-micro-error"),
        "{name}"
    );
    let envelope = envelope(request);
    let asked = content(request, envelope);
    let (recorded, said) = (content(recorded, envelope), content(ours, envelope));
    error(name, &recorded.error, &said.error);
    match envelope {
        Envelope::Bare => {
            let id = request
                .micro("id")
                .filter(|_| ours.header("micro-id").is_some());
            assert_eq!(ours.header("micro-id"), id, "{name}: the request's own id");
        }
        // Of the last request, or of the first one where that is the end.
        _ if said.error.is_empty() => assert_eq!(said.id, asked.id, "{name}: the id as it came"),
        _ => assert_eq!(said.id.is_number(), asked.id.is_number(), "{name}"),
    }
    if !said.error.is_empty() {
        let empty = said.body.is_empty() || said.body == b"{}";
        return assert!(empty, "{name}: an error has no body: {ours:?}");
    }
    body(
        name,
        &asked.endpoint,
        ours.header("content-type"),
        &recorded.body,
        &said.body,
    );
}

/// That two errors say the same. What go-micro's framework says as text, we say as its JSON.
pub(crate) fn error(name: &str, recorded: &str, ours: &str) {
    if recorded.is_empty() || recorded == "EOS" {
        return assert_eq!(ours, recorded, "{name}");
    }
    let ours: Value =
        serde_json::from_str(ours).unwrap_or_else(|error| panic!("{name}: {error}: {ours}"));
    let keys: Vec<_> = ours.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["code", "detail", "id", "status"],
        "{name}: what every version reads"
    );
    if let Ok(recorded) = serde_json::from_str::<Value>(recorded) {
        return assert_eq!(ours, recorded, "{name}");
    }
    let code = match recorded {
        text if text.starts_with("rpc: can't find") => 404,
        text if text.starts_with("invalid character") => 400,
        text => {
            let detail = ours["detail"].as_str().unwrap().replace('\n', " ");
            return assert_eq!(detail, text, "{name}");
        }
    };
    assert_eq!(ours["code"], code, "{name}: {ours}");
}

/// That two bodies say the same.
pub(crate) fn body(
    name: &str,
    endpoint: &str,
    content_type: Option<&str>,
    recorded: &[u8],
    ours: &[u8],
) {
    let json = content_type.is_some_and(|content_type| content_type.contains("json"));
    if !json || recorded.is_empty() {
        return assert_eq!(
            ours.escape_ascii().to_string(),
            recorded.escape_ascii().to_string(),
            "{name}"
        );
    }
    let value = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
    match endpoint {
        "Greeter.Types" => {
            let read = |bytes: &[u8]| {
                Types::decode(
                    &ContentType::Json,
                    &Codecs::default(),
                    bytes.to_vec().into(),
                )
                .unwrap()
            };
            assert_eq!(read(ours), read(recorded), "{name}");
            // The one form that every version reads.
            let form = r#"{"full_name":"a_b","big":9007199254740993,"color":2,"data":"AP8+Pw==","tags":["x",""],"counts":{"a":-1},"ok":true,"ratio":0.1,"nothing":{}}"#;
            assert_eq!(value(ours), value(form.as_bytes()), "{name}");
        }
        "Greeter.Echo" => echo(name, &value(recorded), &value(ours)),
        _ => assert_eq!(value(ours), value(recorded), "{name}"),
    }
}

/// The metadata that the handler saw: names without case, and not what Go says of the connection.
pub(crate) fn echo(name: &str, recorded: &Value, ours: &Value) {
    let ours_by_name = |name: &str| {
        let all = ours["metadata"].as_object().unwrap();
        let mut found = all.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.clone())
    };
    for (key, value) in recorded["metadata"].as_object().unwrap() {
        // What Go's transport and its tracing add.
        if !["Local", "Remote", "Micro-Span-Id", "Micro-Trace-Id"].contains(&&**key) {
            assert_eq!(ours_by_name(key).as_ref(), Some(value), "{name}: {key}");
        }
    }
    let left = |of: &Value| of["timeout"].as_i64().unwrap();
    let (recorded, ours) = (left(recorded), left(ours));
    // Above 2^63 ns Go's deadline has passed; to us it is far away.
    match recorded < 0 {
        true => assert!(ours > 1_000_000, "{name}: {ours}"),
        false => assert!(
            ours <= recorded + 1 && ours > recorded - 900,
            "{name}: {ours}"
        ),
    }
}
