//! Strings, booleans and bytes in Protobuf's JSON form.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::{
    base64,
    codec::{proto::kind::Kind, schema},
    node::Value,
};

macro_rules! as_serde_has_it {
    ($kind:ident $type:ty, $name:literal, $default:expr) => {
        impl Kind<$type> for $kind {
            fn write<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                value.serialize(to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                Deserialize::deserialize(from)
            }

            fn is_default(value: &$type) -> bool {
                *value == $default
            }

            fn describe(_: u8) -> Value {
                Value::new($name, $name)
            }
        }
    };
}

/// Strings.
pub struct Text;

as_serde_has_it!(Text String, "string", "");

/// `true` and `false`.
pub struct Boolean;

as_serde_has_it!(Boolean bool, "bool", false);

/// Bytes, in Base64 where people read.
pub struct Raw;

impl<V: AsRef<[u8]> + From<Vec<u8>>> Kind<V> for Raw {
    fn write<S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error> {
        match to.is_human_readable() {
            true => to.serialize_str(&base64::encode(value.as_ref())),
            false => to.serialize_bytes(value.as_ref()),
        }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
        from.deserialize_any(Octets).map(V::from)
    }

    fn is_default(value: &V) -> bool {
        value.as_ref().is_empty()
    }

    fn describe(_: u8) -> Value {
        schema::bytes()
    }
}

struct Octets;

impl Visitor<'_> for Octets {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in Base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        base64::decode(text).ok_or_else(|| E::custom("these bytes are not in Base64"))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}
