//! The envelope of JSON: JSON-RPC 1.0, whose bodies are passed on unchanged.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::{Id, ReplyContent, RequestContent};
use crate::error::{Error, Result};

#[derive(Deserialize)]
struct RequestRead<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReplyRead<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The part of `whole` that contains a value.
fn part(whole: &Bytes, value: &RawValue) -> Bytes {
    whole.slice_ref(value.get().as_bytes())
}

pub(super) fn read_request(bytes: &Bytes) -> Result<RequestContent> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // A list would be taken for the fields in their order.
        return Err(Error::invalid_argument("the envelope is no object of JSON"));
    }
    let read: RequestRead<'_> = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid_argument(format!("cannot read the envelope: {error}")))?;
    let body = match read.params.as_deref() {
        None | Some([]) => Bytes::from_static(b"{}"),
        Some([body]) => part(bytes, body),
        Some(more) => {
            return Err(Error::invalid_argument(format!(
                "`params` of the envelope has {} values instead of one",
                more.len()
            )));
        }
    };
    let id = match read.id {
        Some(id) if !id.get().starts_with(['{', '[']) => part(bytes, id),
        _ => Bytes::from_static(b"null"),
    };
    Ok(RequestContent {
        endpoint: read.method.into_owned(),
        id: Id::Json(id),
        body,
    })
}

/// The text of a string in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn write_request(endpoint: &str, number: u64, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + endpoint.len() + 48);
    out.put_slice(b"{\"method\":");
    out.put_slice(quoted(endpoint).as_bytes());
    out.put_slice(b",\"params\":[");
    out.put_slice(if body.is_empty() { b"{}" } else { body });
    out.put_slice(format!("],\"id\":{number}}}\n").as_bytes());
    out.freeze()
}

pub(super) fn read_reply(bytes: &Bytes) -> Result<ReplyContent> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Error::internal("the reply's envelope is no object of JSON"));
    }
    let read: ReplyRead<'_> = serde_json::from_slice(bytes)
        .map_err(|error| Error::internal(format!("cannot read the reply's envelope: {error}")))?;
    let error = match read.error.map(RawValue::get) {
        None => None,
        Some(error) => match serde_json::from_str::<String>(error) {
            Ok(text) => Some(text).filter(|text| !text.is_empty()),
            Err(_) => Some(error.to_owned()),
        },
    };
    Ok(ReplyContent {
        error,
        body: read
            .result
            .map(|result| part(bytes, result))
            .unwrap_or_default(),
    })
}

/// There is always a `result`: clients of 2016 panic without it.
pub(super) fn write_reply(id: &Id, reply: std::result::Result<Bytes, &str>) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_slice(b"{\"id\":");
    match id {
        Id::Json(id) => out.put_slice(id),
        Id::Number(id) => out.put_slice(id.to_string().as_bytes()),
    }
    out.put_slice(b",\"result\":");
    match &reply {
        Ok(body) if !body.is_empty() => out.extend_from_slice(body),
        _ => out.put_slice(b"{}"),
    }
    out.put_slice(b",\"error\":");
    match reply {
        Ok(_) => out.put_slice(b"null"),
        Err(error) => out.put_slice(quoted(error).as_bytes()),
    }
    out.put_slice(b"}\n");
    out.freeze()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn ids_and_bodies_are_passed_on_unchanged() {
        for (id, echoed) in [
            ("7", "7"),
            ("\"7\"", "\"7\""),
            ("1.5e300", "1.5e300"),
            ("null", "null"),
            ("{\"a\":1}", "null"),
        ] {
            let request = format!(r#"{{"id":{id},"params":[{{"b": 1.0 }}],"method":"A.B"}}"#);
            let asked = read_request(&request.into()).unwrap();
            assert_eq!(
                (&*asked.endpoint, &asked.body[..]),
                ("A.B", &b"{\"b\": 1.0 }"[..])
            );
            let reply = write_reply(&asked.id, Ok("{}".into()));
            assert_eq!(
                reply,
                format!("{{\"id\":{echoed},\"result\":{{}},\"error\":null}}\n")
            );
        }
    }

    #[test]
    fn missing_parts_are_empty_and_malformed_ones_an_error() {
        let asked = read_request(&"{}".into()).unwrap();
        assert_eq!((&*asked.endpoint, &asked.body[..]), ("", &b"{}"[..]));
        for wrong in [
            "",
            "[]",
            "{\"params\":[1,2]}",
            "{\"method\":1}",
            "{\"params\":{}}",
            "{} x",
        ] {
            assert!(read_request(&wrong.to_owned().into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reply_is_read_with_or_without_its_parts() {
        let read = |text: &'static str| read_reply(&text.into()).unwrap();
        assert_eq!(
            read(r#"{"id":0,"result":{"n":1},"error":null}"#).body,
            r#"{"n":1}"#
        );
        assert_eq!(
            read(r#"{"id":"","result":null,"error":"EOS"}"#)
                .error
                .unwrap(),
            "EOS"
        );
        assert_eq!(read(r#"{"error":{"a":1}}"#).error.unwrap(), r#"{"a":1}"#);
        assert_eq!(read(r#"{"error":""}"#).error, None);
        assert!(read_reply(&"nothing".into()).is_err());
    }

    #[test]
    fn request_survives() {
        let written = write_request("A.\"B\"", 3, b"{\"a\":1}");
        let asked = read_request(&written).unwrap();
        assert_eq!(asked.endpoint, "A.\"B\"");
        assert_eq!(asked.id, Id::Json("3".into()));
        assert_eq!(asked.body, "{\"a\":1}");
    }
}
