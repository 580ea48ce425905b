//! Numbers in Protobuf's JSON form; in binary formats they are written as they are.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::{
    codec::{nonfinite, proto::kind::Kind},
    node::Value,
};

/// Integers: those of 64 bits are written as strings; numbers and strings are read for all.
pub struct Integer;

pub(super) struct Whole<T>(pub(super) PhantomData<T>);

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
                to.serialize_str(nonfinite::name((*value).into()))
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
        match (nonfinite::parse(text), text.parse::<f64>()) {
            (Some(number), _) => Ok(number),
            (None, Ok(number)) if number.is_finite() => Ok(number),
            _ => Err(E::custom(format_args!("`{text}` is not a number"))),
        }
    }
}
