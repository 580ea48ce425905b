//! JSON, `application/json`.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{buffer::Buffer, wrong},
    error::Result,
    message::ContentType,
};

#[inline]
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    Buffer::filled::<T, _>(&ContentType::Json, |buffer| {
        serde_json::to_writer(buffer, value)
    })
}

/// The error says line and column.
#[inline]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| wrong::read::<T>(&ContentType::Json, error))
}
