//! MessagePack with field names, `application/msgpack`: versions of a message read each other.

use bytes::Bytes;
use rmp_serde::Deserializer;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    codec::{buffer::Buffer, wrong},
    error::Result,
    message::ContentType,
};

#[inline]
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    Buffer::filled::<T, _>(&ContentType::MsgPack, |buffer| {
        rmp_serde::encode::write_named(buffer, value)
    })
}

#[inline]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer)
        .map_err(|error| wrong::read::<T>(&ContentType::MsgPack, error))?;
    // The deserializer does not say how far it came; what it can still read should not be there.
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(wrong::read::<T>(
            &ContentType::MsgPack,
            "there are bytes after its end",
        )),
    }
}
