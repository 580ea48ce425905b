//! MessagePack with the names of fields, `application/msgpack`: versions of a message read each other.
//!
//! Reader and writer are ours: with rmp-serde a call costs 7 % more instructions. A message is read and written in one
//! pass whose error has no content, which keeps the usual case small. Only if that pass fails, a full one follows,
//! which accepts unusual forms as well and says what is wrong.

mod parts;
mod read;
mod wire;
mod write;

use std::fmt;

use bytes::Bytes;
use serde::{
    Serialize,
    de::{self, DeserializeOwned},
    ser,
};

use crate::{codec::wrong, error::Result, message::ContentType};
pub(super) use wire::Reader;
use write::Writer;

#[inline]
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    match write::<T, Unexplained>(value) {
        Ok(bytes) => Ok(bytes),
        Err(Unexplained) => explain_write(value),
    }
}

#[inline]
fn write<T: Serialize, P: Pass>(value: &T) -> std::result::Result<Bytes, P> {
    let mut writer = Writer::new();
    value.serialize(&mut writer)?;
    Ok(writer.finish())
}

#[cold]
fn explain_write<T: Serialize>(value: &T) -> Result<Bytes> {
    write::<T, Explained>(value).map_err(|error| wrong::write::<T>(&ContentType::MsgPack, error))
}

#[inline]
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = Reader::<Unexplained>::new(bytes);
    match T::deserialize(&mut reader) {
        Ok(value) if reader.is_at_end() => Ok(value),
        _ => decode_fully(bytes),
    }
}

#[cold]
fn decode_fully<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = Reader::<Explained>::new(bytes);
    let value = T::deserialize(&mut reader)
        .map_err(|error| wrong::read::<T>(&ContentType::MsgPack, error))?;
    match reader.is_at_end() {
        true => Ok(value),
        false => Err(wrong::read::<T>(
            &ContentType::MsgPack,
            "there are bytes after its end",
        )),
    }
}

/// One of the two passes over a message, and its error.
pub(super) trait Pass: de::Error + ser::Error {
    /// Whether unusual forms are accepted and errors have a text.
    const FULL: bool;

    fn new(why: &'static str) -> Self;
}

/// The error of the first pass, which is no larger than a flag.
#[derive(Debug)]
struct Unexplained;

impl Pass for Unexplained {
    const FULL: bool = false;

    #[inline(always)]
    fn new(_: &'static str) -> Self {
        Unexplained
    }
}

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in a usual form")
    }
}

impl std::error::Error for Unexplained {}

impl ser::Error for Unexplained {
    #[cold]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Unexplained
    }
}

impl de::Error for Unexplained {
    #[cold]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Unexplained
    }
}

/// The error of the full pass.
#[derive(Debug)]
pub(super) struct Explained(Box<str>);

impl Pass for Explained {
    const FULL: bool = true;

    fn new(why: &'static str) -> Self {
        Explained(why.into())
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Explained {}

impl ser::Error for Explained {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Explained(why.to_string().into())
    }
}

impl de::Error for Explained {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Explained(why.to_string().into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests;
