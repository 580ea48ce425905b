//! A message as an object: which fields are written, and how they are found by their names.

use std::{
    fmt::{self, Display},
    marker::PhantomData,
};

use serde::{
    Deserializer, Serializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
    ser::SerializeStruct,
};

use crate::{
    codec::proto::kind::{Kind, Reading, Written},
    node::Value,
};

/// The fields of a prost message, by their place; the derive implements it.
pub trait Fields: Default {
    /// The message's name.
    const NAME: &'static str;

    /// The place of the field that has this name, in camel case or as it stands in the `.proto`.
    fn find(name: &str) -> Option<usize>;

    /// How many fields are written.
    fn count(&self) -> usize;

    /// Writes the fields that are not as if absent.
    fn write<S: SerializeStruct>(&self, to: &mut S) -> Result<(), S::Error>;

    /// Reads the value of the field at a place.
    fn read<'de, A: MapAccess<'de>>(&mut self, place: usize, from: &mut A) -> Result<(), A::Error>;
}

/// The variants of a oneof, which stand as fields in the message that has it; the derive implements it.
pub trait Oneof: Sized {
    /// The place of the variant of a name.
    fn find(name: &str) -> Option<usize>;

    /// Writes the variant.
    fn write<S: SerializeStruct>(&self, to: &mut S) -> Result<(), S::Error>;

    /// Reads the value of the variant at a place.
    fn read<'de, A: MapAccess<'de>>(place: usize, from: &mut A) -> Result<Option<Self>, A::Error>;

    /// Adds the variants' trees to the message's.
    fn describe(depth: u8, fields: &mut Vec<Value>);
}

/// The type of a field that holds a oneof.
pub trait OneofField {
    /// The oneof.
    type Oneof: Oneof;
}

impl<T: Oneof> OneofField for Option<T> {
    type Oneof = T;
}

/// Writes a message.
pub fn serialize<T: Fields, S: Serializer>(message: &T, to: S) -> Result<S::Ok, S::Error> {
    let mut object = to.serialize_struct(T::NAME, message.count())?;
    message.write(&mut object)?;
    object.end()
}

/// Reads a message; fields that it does not know are skipped.
pub fn deserialize<'de, T: Fields, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_map(Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the fields of `{}`", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut message = T::default();
        while let Some(place) = map.next_key_seed(Place(T::find))? {
            match place {
                Some(place) => message.read(place, &mut map)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(message)
    }
}

/// A field's name on its way to its place.
struct Place(fn(&str) -> Option<usize>);

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Place {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok((self.0)(name))
    }
}

/// Whether a field is as if absent.
pub fn is_default<K: Kind<V>, V>(value: &V) -> bool {
    K::is_default(value)
}

/// Writes a field.
pub fn write<K: Kind<V>, V, S: SerializeStruct>(
    to: &mut S,
    name: &'static str,
    value: &V,
) -> Result<(), S::Error> {
    to.serialize_field(name, &Written::<K, V>(value, PhantomData))
}

/// Reads a field; `null` is as if it were absent, unless it is a value of the field's type. An error names
/// the field.
pub fn read<'de, K: Kind<V>, V, A: MapAccess<'de>>(
    from: &mut A,
    name: &str,
) -> Result<Option<V>, A::Error> {
    let reading = Reading::<K, V>::new();
    match K::NULL {
        true => from.next_value_seed(reading).map(Some),
        false => from.next_value_seed(OrNull(reading)),
    }
    .map_err(|error| in_field(name, error))
}

/// Reads the variant at a place into the field of a oneof that the `.proto` calls `name`; `null` is no variant.
///
/// # Errors
/// When the oneof has a variant already: which of them counts is not for the reader to guess.
pub fn read_variant<'de, T: Oneof, A: MapAccess<'de>>(
    oneof: &mut Option<T>,
    name: &str,
    place: usize,
    from: &mut A,
) -> Result<(), A::Error> {
    let Some(variant) = T::read(place, from)? else {
        return Ok(());
    };
    match oneof.replace(variant) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom(format_args!(
            "oneof `{name}` is set twice; set one of its fields"
        ))),
    }
}

fn in_field<E: serde::de::Error>(name: &str, error: impl Display) -> E {
    E::custom(format_args!("field `{name}`: {error}"))
}

struct OrNull<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for OrNull<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for OrNull<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(from).map(Some)
    }
}
