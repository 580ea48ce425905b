//! Messages as values of fields: a user's own, and those of Protobuf that have a JSON form of their own.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
    ser::SerializeStruct,
};

use bytes::Bytes;

use crate::{
    codec::{
        proto::{
            kind::Kind,
            message::Fields,
            number::{Float, Integer},
            scalar::{Boolean, Raw, Text},
        },
        schema::Describe,
    },
    node::Value,
};

/// What may be the type of a field of kind `message`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known as a Protobuf message",
    note = "a message within a message needs `#[derive(micro::Message)]` as well, and `#[message(prost)]` if it has no fields"
)]
pub trait Embedded: Sized {
    /// Whether JSON's `null` is a value of it, and not its absence.
    const NULL: bool = false;

    /// Writes a value.
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads a value.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;

    /// The value's tree.
    fn describe(depth: u8) -> Value;
}

/// Another message.
pub struct Nested;

impl<V: Embedded> Kind<V> for Nested {
    const NULL: bool = V::NULL;

    fn write<S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error> {
        value.write(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
        V::read(from)
    }

    fn is_default(_: &V) -> bool {
        false
    }

    fn describe(depth: u8) -> Value {
        V::describe(depth)
    }
}

impl<T: Fields + Serialize + for<'de> Deserialize<'de> + Describe> Embedded for T {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from)
    }

    fn describe(depth: u8) -> Value {
        <T as Describe>::describe(depth)
    }
}

/// `google.protobuf.Int32Value` and the like: prost has what they wrap in their place, and so has JSON.
macro_rules! wrappers {
    ($($kind:ident: $($type:ty),*;)*) => {$($(
        impl Embedded for $type {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                <$kind as Kind<$type>>::write(self, to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <$kind as Kind<$type>>::read(from)
            }

            fn describe(depth: u8) -> Value {
                <$kind as Kind<$type>>::describe(depth)
            }
        }
    )*)*};
}

wrappers! {
    Integer: i32, i64, u32, u64;
    Float: f32, f64;
    Boolean: bool;
    Text: String;
    Raw: Vec<u8>, Bytes;
}

/// `google.protobuf.Empty`.
impl Embedded for () {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_struct("Empty", 0)?.end()
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Nothing;

        impl<'de> Visitor<'de> for Nothing {
            type Value = ();

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }

            fn visit_unit<E: Error>(self) -> Result<(), E> {
                Ok(())
            }
        }

        from.deserialize_map(Nothing)
    }

    fn describe(_: u8) -> Value {
        Value::new("Empty", "object")
    }
}
