//! A call in the query of a GET: `?connect=v1&encoding=json&message=%7B%7D`.

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::{
    base64,
    error::{Error, Result},
};

/// A parsed query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// `v1`, if given.
    pub(super) version: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) compression: String,
    pub(super) message: Bytes,
}

/// Whether a query is Connect's.
pub(super) fn is_one(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("connect="))
}

/// Parses a query.
///
/// # Errors
/// `InvalidArgument` if the message is missing, or is not Base64 although it should be.
pub(super) fn read(query: &str) -> Result<Query> {
    let mut read = Query::default();
    let mut message = None;
    let mut in_base64 = false;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        let text = || String::from_utf8_lossy(&value).into_owned();
        match name {
            "connect" => read.version = Some(text()),
            "encoding" => read.encoding = Some(text()),
            "compression" => read.compression = text(),
            "base64" => in_base64 = *value == *b"1",
            "message" => message = Some(value),
            _ => {}
        }
    }
    let message = message.ok_or_else(|| Error::invalid_argument("the query has no `message`"))?;
    read.message = match in_base64 {
        false => message.into_owned().into(),
        true => std::str::from_utf8(&message)
            .ok()
            .and_then(base64::decode)
            .ok_or_else(|| Error::invalid_argument("`message` is not in Base64"))?
            .into(),
    };
    Ok(read)
}

/// Decodes a value of a query, in which `+` is a space. A percent sign without two digits stays.
fn decode(value: &str) -> Cow<'_, [u8]> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value.as_bytes());
    }
    percent_decode_str(&value.replace('+', " "))
        .collect::<Vec<_>>()
        .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn message_is_text_or_base64() {
        let plain = read("connect=v1&encoding=json&message=%7B%22a%22%3A+1%7D&x").unwrap();
        assert_eq!(plain.message, r#"{"a": 1}"#);
        assert_eq!(plain.version.as_deref(), Some("v1"));
        assert_eq!(plain.encoding.as_deref(), Some("json"));
        let coded = read("message=_-8&base64=1&encoding=proto&compression=gzip").unwrap();
        assert_eq!(&*coded.message, b"\xff\xef");
        assert_eq!((coded.compression.as_str(), coded.version), ("gzip", None));
        assert!(read("encoding=json").is_err());
        assert!(read("message=%&base64=1").is_err());
        assert!(is_one("a=b&connect=v1"));
        assert!(!is_one("a=connect=v1"));
    }
}
