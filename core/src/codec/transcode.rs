//! Converts messages between encodings without knowing their types.

use bytes::Bytes;

use crate::{
    codec::{
        json::Writer,
        msgpack::{Explained, Reader},
    },
    error::{Error, Result},
    message::ContentType,
};

/// Converts a MessagePack message with field names to the JSON that its type would have.
///
/// For nodes without MessagePack, which are picked after the message was encoded.
pub(crate) fn msgpack_to_json(message: &[u8]) -> Result<Bytes> {
    let mut json = Vec::with_capacity(message.len() * 2);
    let mut from = Reader::<Explained>::new(message);
    let to = Writer(&mut serde_json::Serializer::new(&mut json));
    serde_transcode::transcode(&mut from, to).map_err(|error| {
        Error::invalid_argument("the message has no form in JSON, which the node speaks")
            .with_source(error)
    })?;
    Ok(json.into())
}

/// The content type that a message has for nodes without MessagePack.
pub(crate) fn understood(content_type: &ContentType) -> ContentType {
    match content_type {
        ContentType::MsgPack => ContentType::Json,
        other => other.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    enum Colour {
        Red,
        Mixed { parts: Vec<u8> },
        Named(String),
    }

    #[derive(Serialize)]
    struct Everything {
        text: String,
        number: i64,
        large: u64,
        ratio: f64,
        unknown: f64,
        nothing: Option<u8>,
        colours: Vec<Colour>,
        by_number: BTreeMap<i32, bool>,
        pair: (u8, String),
    }

    #[test]
    fn message_becomes_what_its_type_writes_as_json() {
        let everything = Everything {
            text: "a \"quoted\" ü".into(),
            number: -7,
            large: u64::MAX,
            ratio: 0.5,
            unknown: f64::NAN,
            nothing: None,
            colours: vec![
                Colour::Red,
                Colour::Mixed { parts: vec![1, 2] },
                Colour::Named("x".into()),
            ],
            by_number: BTreeMap::from([(-1, true), (2, false)]),
            pair: (1, "y".into()),
        };
        let packed = crate::codec::msgpack::encode(&everything).unwrap();
        let json = msgpack_to_json(&packed).unwrap();
        assert_eq!(json, crate::codec::json::encode(&everything).unwrap());
    }

    #[test]
    fn truncated_message_is_an_error() {
        let packed = crate::codec::msgpack::encode(&"hello").unwrap();
        let error = msgpack_to_json(&packed[..3]).unwrap_err();
        assert_eq!(error.code(), crate::error::Code::InvalidArgument);
    }
}
