//! MessagePack with field names, `application/msgpack`: versions of a message read each other.
//!
//! What the form is, and what a wrong one is told, is rmp-serde's. The common part of it is written and
//! read here, which takes half the instructions to read and a tenth fewer to write; whatever is beyond
//! that part, or wrong, goes to rmp-serde from the beginning.

mod depth;
mod parts;
mod read;
mod wire;
mod write;

use std::fmt;

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
use wire::Reader;
use write::Writer;

#[inline]
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    let mut writer = Writer::new();
    match value.serialize(&mut writer) {
        Ok(()) => Ok(writer.finish()),
        Err(Uncommon) => encode_any(value),
    }
}

#[cold]
fn encode_any<T: Serialize>(value: &T) -> Result<Bytes> {
    Buffer::filled::<T, _>(&ContentType::MsgPack, |buffer| {
        rmp_serde::encode::write_named(buffer, value)
    })
}

#[inline]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = Reader::new(bytes);
    match T::deserialize(&mut reader) {
        Ok(value) if reader.is_at_end() => Ok(value),
        _ => decode_any(bytes),
    }
}

#[cold]
fn decode_any<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if depth::is_exceeded(bytes) {
        return Err(wrong::too_deep::<T>(&ContentType::MsgPack, depth::LIMIT));
    }
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

/// Beyond the common part, or wrong: rmp-serde knows which.
#[derive(Debug)]
struct Uncommon;

impl fmt::Display for Uncommon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in the common part of MessagePack")
    }
}

impl std::error::Error for Uncommon {}

impl serde::ser::Error for Uncommon {
    #[cold]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Uncommon
    }
}

impl serde::de::Error for Uncommon {
    #[cold]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Uncommon
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests;
