//! Messages in every content type.

mod answers;
mod deep;
#[cfg(all(feature = "bson", feature = "cbor", feature = "test-util"))]
mod features;
mod nonfinite;
mod prost_types;
mod schema;
mod serde_types;
mod user_codec;

use micro::{Codecs, ContentType, Message};

/// The encoded form, without codecs of a user's own.
fn encode(message: &impl Message, content_type: ContentType) -> bytes::Bytes {
    message
        .encode(&content_type, &Codecs::default())
        .expect("encoding")
}

/// The message of an encoded form, without codecs of a user's own.
fn decode<T: Message>(
    content_type: ContentType,
    bytes: impl Into<bytes::Bytes>,
) -> micro::Result<T> {
    T::decode(&content_type, &Codecs::default(), bytes.into())
}
