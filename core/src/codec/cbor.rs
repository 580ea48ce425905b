//! CBOR (RFC 8949), `application/cbor`, by ciborium. Needs the feature `cbor`.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{buffer::Buffer, wrong},
    error::Result,
    message::ContentType,
};

pub(super) const NAME: &str = "application/cbor";

/// Arrays, maps and tags inside each other; as many as in JSON and MessagePack.
const MAX_DEPTH: usize = 127;

pub(super) fn encode<T: Serialize>(content_type: &ContentType, value: &T) -> Result<Bytes> {
    Buffer::filled::<T, _>(content_type, |buffer| ciborium::into_writer(value, buffer))
}

pub(super) fn decode<T: DeserializeOwned>(
    content_type: &ContentType,
    mut bytes: &[u8],
) -> Result<T> {
    let value = ciborium::de::from_reader_with_recursion_limit(&mut bytes, MAX_DEPTH)
        .map_err(|error| wrong::read::<T>(content_type, error))?;
    match bytes.is_empty() {
        true => Ok(value),
        false => Err(wrong::read::<T>(
            content_type,
            "there are bytes after its end",
        )),
    }
}
