//! Raw bytes, which no codec changes.

use bytes::Bytes;

use crate::{
    codec::{Codecs, Message, optional},
    error::Result,
    message::ContentType,
    node::Value,
};

impl Message for Bytes {
    fn content_type() -> ContentType {
        ContentType::Bytes
    }

    #[inline]
    fn encode(&self, _: &ContentType, _: &Codecs) -> Result<Bytes> {
        Ok(self.clone())
    }

    #[inline]
    fn decode(_: &ContentType, _: &Codecs, bytes: Bytes) -> Result<Self> {
        Ok(bytes)
    }

    fn schema() -> Value {
        Value::new("bytes", "bytes")
    }
}

impl Message for Vec<u8> {
    fn content_type() -> ContentType {
        ContentType::Bytes
    }

    fn encode(&self, _: &ContentType, _: &Codecs) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(self))
    }

    fn decode(_: &ContentType, _: &Codecs, bytes: Bytes) -> Result<Self> {
        Ok(bytes.into())
    }

    fn schema() -> Value {
        Value::new("bytes", "bytes")
    }
}

/// An empty message, decoded from anything: for endpoints without a request or a response.
impl Message for () {
    fn content_type() -> ContentType {
        ContentType::MsgPack
    }

    fn encode(&self, content_type: &ContentType, codecs: &Codecs) -> Result<Bytes> {
        Ok(match content_type {
            ContentType::Json | ContentType::GoJson => Bytes::from_static(b"{}"),
            ContentType::MsgPack => Bytes::from_static(&[EMPTY_MAP]),
            ContentType::Protobuf | ContentType::Bytes => Bytes::new(),
            ContentType::Other(_) => optional::encode(&(), content_type, codecs)?,
        })
    }

    fn decode(_: &ContentType, _: &Codecs, _: Bytes) -> Result<Self> {
        Ok(())
    }

    fn schema() -> Value {
        Value::new("()", "object")
    }
}

/// A MessagePack map without entries.
const EMPTY_MAP: u8 = 0x80;
