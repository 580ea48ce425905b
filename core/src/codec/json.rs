//! JSON, `application/json`. Numbers that are not finite are the strings of Protobuf's JSON form, `"NaN"`,
//! `"Infinity"` and `"-Infinity"`.

mod read;
mod write;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{buffer::Buffer, depth, wrong},
    error::Result,
    message::ContentType,
};

pub(super) use write::Writer;

#[inline]
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    Buffer::filled::<T, _>(&ContentType::Json, |buffer| {
        value.serialize(Writer(&mut serde_json::Serializer::new(buffer)))
    })
}

/// The error has line and column.
#[inline]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .or_else(|error| read::with_nonfinite(bytes, error))
        .map_err(|error| wrong::read::<T>(&ContentType::Json, error))
}

/// Fails if the JSON of a `T`, a Protobuf message, is nested deeper than Protobuf allows.
#[inline]
pub(super) fn check_depth<T>(bytes: &[u8]) -> Result<()> {
    match depth::json_exceeds(bytes, depth::PROTOBUF) {
        false => Ok(()),
        true => Err(wrong::too_deep::<T>(&ContentType::Json, depth::PROTOBUF)),
    }
}
