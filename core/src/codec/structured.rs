//! Serde types in every content type.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{Codecs, json, msgpack, optional, wrong},
    error::Result,
    message::ContentType,
};

/// A type with serde's two derives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no serde form",
    note = "a serde message needs `#[derive(serde::Serialize, serde::Deserialize)]`; a prost one `#[derive(prost::Message)]` or, without fields, `#[message(prost)]`"
)]
pub trait Serde: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Serde for T {}

const INSTEAD: &str = "application/msgpack or application/json";

/// Encodes a serde type.
///
/// # Errors
/// `Unimplemented` for Protobuf, raw bytes and content types that `codecs` does not have.
#[inline]
pub fn encode<T: Serde>(value: &T, content_type: &ContentType, codecs: &Codecs) -> Result<Bytes> {
    match content_type {
        ContentType::MsgPack => msgpack::encode(value),
        ContentType::Json | ContentType::GoJson => json::encode(value),
        ContentType::Protobuf | ContentType::Bytes => {
            Err(wrong::unsupported::<T>(content_type, INSTEAD))
        }
        ContentType::Other(_) => optional::encode(value, content_type, codecs),
    }
}

/// Decodes a serde type.
///
/// # Errors
/// `InvalidArgument` if the bytes are malformed; `Unimplemented` as for [`encode`].
#[inline]
pub fn decode<T: Serde>(content_type: &ContentType, codecs: &Codecs, bytes: Bytes) -> Result<T> {
    match content_type {
        ContentType::MsgPack => msgpack::decode(&bytes),
        ContentType::Json | ContentType::GoJson => json::decode(&bytes),
        ContentType::Protobuf | ContentType::Bytes => {
            Err(wrong::unsupported::<T>(content_type, INSTEAD))
        }
        ContentType::Other(_) => optional::decode(content_type, codecs, &bytes),
    }
}
