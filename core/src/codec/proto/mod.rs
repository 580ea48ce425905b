//! Prost types in every content type: Protobuf itself, and Protobuf's JSON form for all others.

mod embedded;
mod enumeration;
mod kind;
mod known;
mod map;
mod message;
mod number;
mod scalar;
mod snake;

use bytes::Bytes;

pub use embedded::{Embedded, Nested};
pub use enumeration::{Enumeration, Names, Null, Unnamed};
pub use kind::{Boxed, Kind, List, Optional};
pub use map::{Key, Map};
pub use message::{
    Fields, Oneof, OneofField, deserialize, is_default, read, read_variant, serialize, write,
};
pub use number::{Float, Integer};
pub use scalar::{Boolean, Raw, Text};

pub use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::MapAccess, ser::SerializeStruct,
};

use crate::{
    codec::{
        Codecs, json,
        structured::{self, Serde},
        wrong,
    },
    error::Result,
    message::ContentType,
};

/// The encoded form of a prost type.
///
/// # Errors
/// `Unimplemented` for raw bytes and for content types that `codecs` does not have.
#[inline]
pub fn encode<T: prost::Message + Serde>(
    message: &T,
    content_type: &ContentType,
    codecs: &Codecs,
) -> Result<Bytes> {
    match content_type {
        ContentType::Protobuf => Ok(to_bytes(message)),
        ContentType::GoJson => snake::encode(message),
        _ => structured::encode(message, content_type, codecs),
    }
}

/// The prost type of an encoded form.
///
/// # Errors
/// `InvalidArgument` when the bytes are wrong; `Unimplemented` as for [`encode`].
#[inline]
pub fn decode<T: prost::Message + Default + Serde>(
    content_type: &ContentType,
    codecs: &Codecs,
    bytes: Bytes,
) -> Result<T> {
    match content_type {
        ContentType::Protobuf => from_bytes(bytes),
        ContentType::Json | ContentType::GoJson => {
            json::check_depth::<T>(&bytes)?;
            json::decode(&bytes)
        }
        _ => structured::decode(content_type, codecs, bytes),
    }
}

/// Protobuf itself.
#[inline]
pub(super) fn to_bytes(message: &impl prost::Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Protobuf itself.
#[inline]
pub(super) fn from_bytes<T: prost::Message + Default>(bytes: Bytes) -> Result<T> {
    T::decode(bytes).map_err(|error| wrong::read::<T>(&ContentType::Protobuf, error))
}
