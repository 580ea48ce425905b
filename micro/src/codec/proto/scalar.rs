//! Scalars in Protobuf's JSON form; in binary formats, numbers and bytes are written as they are.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::{
    codec::{
        proto::{base64, kind::Kind},
        schema,
    },
    registry::Value,
};

/// Integers: those of 64 bits are written as strings; numbers and strings are read for all.
pub struct Integer;

struct Whole<T>(PhantomData<T>);

macro_rules! integers {
    ($($type:ident $wide:literal),*) => {$(
        impl Kind<$type> for Integer {
            fn write<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                match $wide && to.is_human_readable() {
                    true => to.collect_str(value),
                    false => value.serialize(to),
                }
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                from.deserialize_any(Whole::<$type>(PhantomData))
            }

            fn is_default(value: &$type) -> bool {
                *value == 0
            }

            fn describe(_: u8) -> Value {
                Value::new(stringify!($type), stringify!($type))
            }
        }

        impl Visitor<'_> for Whole<$type> {
            type Value = $type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), ", as a number or a string"))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                number.try_into().map_err(|_| outside(number, stringify!($type)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                number.try_into().map_err(|_| outside(number, stringify!($type)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<$type, E> {
                // Exactly the numbers that come back the same; beyond the range `as` stops at its end.
                let whole = number as $type;
                match whole as f64 == number && !($wide && whole == $type::MAX) {
                    true => Ok(whole),
                    false => Err(outside(number, stringify!($type))),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                match (text.parse::<$type>(), text.parse::<f64>()) {
                    (Ok(number), _) => Ok(number),
                    (_, Ok(number)) => self.visit_f64(number),
                    _ => Err(outside(text, stringify!($type))),
                }
            }
        }
    )*};
}

integers!(i32 false, u32 false, i64 true, u64 true);

fn outside<E: Error>(value: impl fmt::Display, kind: &str) -> E {
    E::custom(format_args!("`{value}` is not in the range of {kind}"))
}

/// Floating point numbers: `NaN`, `Infinity` and `-Infinity` are written as strings; strings are read too.
pub struct Float;

macro_rules! floats {
    ($($type:ident),*) => {$(
        impl Kind<$type> for Float {
            fn write<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                if value.is_finite() || !to.is_human_readable() {
                    return value.serialize(to);
                }
                to.serialize_str(match *value {
                    $type::INFINITY => "Infinity",
                    $type::NEG_INFINITY => "-Infinity",
                    _ => "NaN",
                })
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                let number = from.deserialize_any(Real)?;
                let narrow = number as $type;
                match number.is_finite() && !narrow.is_finite() {
                    true => Err(outside(number, stringify!($type))),
                    false => Ok(narrow),
                }
            }

            fn is_default(value: &$type) -> bool {
                value.to_bits() == 0
            }

            fn describe(_: u8) -> Value {
                Value::new(stringify!($type), stringify!($type))
            }
        }
    )*};
}

floats!(f32, f64);

struct Real;

impl Visitor<'_> for Real {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or `NaN`, `Infinity` or `-Infinity`")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(E::custom(format_args!("`{text}` is not a number"))),
            },
        }
    }
}

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
