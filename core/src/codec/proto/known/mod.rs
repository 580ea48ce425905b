//! Protobuf's well-known types: the types of `prost-types`, with the JSON forms that are theirs alone.
//!
//! Their wrappers and `Empty` are types of Rust's own, and stand with [`Embedded`].
//! Source of all forms: <https://protobuf.dev/programming-guides/json/>.

mod any;
mod dynamic;
mod mask;
mod time;

use bytes::Bytes;
use prost_types::{Any, Duration, FieldMask, ListValue, Struct, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    codec::{Codecs, Message, json, proto, proto::embedded::Embedded, schema, structured},
    error::Result,
    message::ContentType,
    node::Value,
};

/// A well-known type as serde sees it.
struct WellKnown<T>(T);

impl<T: Embedded> Serialize for WellKnown<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

impl<'de, T: Embedded> Deserialize<'de> for WellKnown<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(WellKnown)
    }
}

macro_rules! messages {
    ($($type:ty),*) => {$(
        impl Message for $type {
            fn content_type() -> ContentType {
                ContentType::Protobuf
            }

            fn encode(&self, content_type: &ContentType, codecs: &Codecs) -> Result<Bytes> {
                match content_type {
                    ContentType::Protobuf => Ok(proto::to_bytes(self)),
                    _ => structured::encode(&WellKnown(self.clone()), content_type, codecs),
                }
            }

            fn decode(
                content_type: &ContentType,
                codecs: &Codecs,
                bytes: Bytes,
            ) -> Result<Self> {
                match content_type {
                    ContentType::Protobuf => return proto::from_bytes(bytes),
                    ContentType::Json | ContentType::GoJson => json::check_depth::<Self>(&bytes)?,
                    _ => {}
                }
                structured::decode::<WellKnown<Self>>(content_type, codecs, bytes)
                    .map(|known| known.0)
            }

            fn schema() -> Value {
                <$type as Embedded>::describe(schema::OBJECT)
            }
        }
    )*};
}

messages!(
    Any,
    Duration,
    FieldMask,
    ListValue,
    Struct,
    Timestamp,
    prost_types::Value
);
