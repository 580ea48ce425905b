//! Enumerations in Protobuf's JSON form: by name, and by number where no name is known.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serializer,
    de::{Error, Unexpected, Visitor},
};

use crate::{
    codec::{
        proto::{
            kind::Kind,
            number::{Integer, Whole},
        },
        schema,
    },
    node::Value,
};

/// The numbers of an enumeration, written by their names; names and numbers are read.
pub struct Enumeration<N>(PhantomData<N>);

/// The names of an enumeration's values.
pub trait Names {
    /// The name of a number; `None` when it has none.
    fn name(number: i32) -> Option<&'static str>;

    /// The number of a name.
    fn number(name: &str) -> Option<i32>;

    /// The enumeration's tree.
    fn describe(depth: u8) -> Value;
}

impl<N: Names> Kind<i32> for Enumeration<N> {
    fn write<S: Serializer>(value: &i32, to: S) -> Result<S::Ok, S::Error> {
        match N::name(*value) {
            Some(name) if to.is_human_readable() => to.serialize_str(name),
            _ => to.serialize_i32(*value),
        }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        from.deserialize_any(Named::<N>(PhantomData))
    }

    fn is_default(value: &i32) -> bool {
        *value == 0
    }

    fn describe(depth: u8) -> Value {
        let value = N::describe(depth);
        match value.kind.as_str() {
            "any" => <Integer as Kind<i32>>::describe(depth),
            _ => value,
        }
    }
}

/// `google.protobuf.NullValue`, whose one value is JSON's `null`.
pub struct Null;

impl Kind<i32> for Null {
    const NULL: bool = true;

    fn write<S: Serializer>(_: &i32, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        from.deserialize_any(NullValue)
    }

    fn is_default(value: &i32) -> bool {
        *value == 0
    }

    fn describe(_: u8) -> Value {
        schema::any()
    }
}

struct NullValue;

impl Visitor<'_> for NullValue {
    type Value = i32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`null` or `\"NULL_VALUE\"`")
    }

    fn visit_unit<E: Error>(self) -> Result<i32, E> {
        Ok(0)
    }

    fn visit_none<E: Error>(self) -> Result<i32, E> {
        Ok(0)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<i32, E> {
        match name {
            "NULL_VALUE" => Ok(0),
            _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i32, E> {
        match number {
            0 => Ok(0),
            _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }
}

struct Named<N>(PhantomData<N>);

impl<N: Names> Visitor<'_> for Named<N> {
    type Value = i32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name or number of an enumeration's value")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<i32, E> {
        N::number(name)
            .or_else(|| name.parse().ok())
            .ok_or_else(|| E::custom(format_args!("`{name}` is no value of this enumeration")))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i32, E> {
        Whole::<i32>(PhantomData).visit_i64(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i32, E> {
        Whole::<i32>(PhantomData).visit_u64(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i32, E> {
        Whole::<i32>(PhantomData).visit_f64(number)
    }
}

/// Enumerations whose values have no names that we know of: prost's generated code has these two functions
/// and so has what `#[derive(micro::Message)]` makes of an enumeration; being inherent, they go before these.
pub trait Unnamed: Sized {
    /// Empty.
    fn as_str_name(&self) -> &'static str {
        ""
    }

    /// `None`.
    fn from_str_name(_: &str) -> Option<Self> {
        None
    }
}

impl<T> Unnamed for T {}
