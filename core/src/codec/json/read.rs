//! Reading `"NaN"`, `"Infinity"` and `"-Infinity"` where a type expects a floating point number.
//!
//! Messages are read by serde_json itself. Only one that it refuses, and that has such a string, is read again
//! here, so that others cost nothing more.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use crate::codec::nonfinite;

/// Reads a message that serde_json refused with `error`.
#[cold]
pub(super) fn with_nonfinite<T: DeserializeOwned>(
    bytes: &[u8],
    error: serde_json::Error,
) -> Result<T, serde_json::Error> {
    if !error.is_data() || !has_nonfinite(bytes) {
        return Err(error);
    }
    // Serde buffers what is in a flattened struct and in some enums before a type says what it expects: there
    // such a string is a number only in the second attempt.
    read(bytes, Strings::WhereExpected)
        .or_else(|error| read(bytes, Strings::Anywhere).map_err(|_| error))
}

fn has_nonfinite(bytes: &[u8]) -> bool {
    let ends = |name: &str, at: usize| bytes[..at].ends_with(name.as_bytes());
    let mut quotes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'"');
    quotes.any(|(at, _)| ends("\"NaN", at) || ends("Infinity", at))
}

fn read<T: DeserializeOwned>(bytes: &[u8], strings: Strings) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // Erased, so that this is not compiled once for each type.
    let value = {
        let mut reader = <dyn erased_serde::Deserializer<'_>>::erase(Reader {
            inner: &mut json,
            strings,
        });
        erased_serde::deserialize(&mut reader).map_err(serde_json::Error::custom)?
    };
    json.end()?;
    Ok(value)
}

/// Which strings are numbers.
#[derive(Clone, Copy, PartialEq)]
enum Strings {
    WhereExpected,
    Anywhere,
}

/// A deserializer, a visitor, or the access to parts of a value, that is passed on to `inner`.
struct Reader<T> {
    inner: T,
    strings: Strings,
}

/// A visitor, and whether strings may be numbers to it.
struct Visiting<V> {
    inner: V,
    strings: Strings,
    number: bool,
}

impl<T> Reader<T> {
    fn with<U>(&self, inner: U) -> Reader<U> {
        Reader {
            inner,
            strings: self.strings,
        }
    }

    fn visitor<V>(&self, inner: V, number: bool) -> Visiting<V> {
        Visiting {
            inner,
            strings: self.strings,
            number,
        }
    }
}

impl<V> Visiting<V> {
    fn with<U>(&self, inner: U) -> Reader<U> {
        Reader {
            inner,
            strings: self.strings,
        }
    }
}

macro_rules! passed_on {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.visitor(visitor, false);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Reader<D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, self.strings == Strings::Anywhere);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, true);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, true);
        self.inner.deserialize_any(visitor)
    }

    passed_on! {
        deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

macro_rules! visited {
    ($($method:ident $type:ty),* $(,)?) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Visiting<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visited! {
        visit_bool bool,
        visit_i8 i8, visit_i16 i16, visit_i32 i32, visit_i64 i64, visit_i128 i128,
        visit_u8 u8, visit_u16 u16, visit_u32 u32, visit_u64 u64, visit_u128 u128,
        visit_f32 f32, visit_f64 f64,
        visit_char char, visit_bytes &[u8], visit_byte_buf Vec<u8>,
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        match nonfinite::parse(text).filter(|_| self.number) {
            Some(number) => self.inner.visit_f64(number),
            None => self.inner.visit_str(text),
        }
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        match nonfinite::parse(text).filter(|_| self.number) {
            Some(number) => self.inner.visit_f64(number),
            None => self.inner.visit_borrowed_str(text),
        }
    }

    fn visit_string<E: Error>(self, text: String) -> Result<V::Value, E> {
        match nonfinite::parse(&text).filter(|_| self.number) {
            Some(number) => self.inner.visit_f64(number),
            None => self.inner.visit_string(text),
        }
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        self.inner.visit_borrowed_bytes(bytes)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let from = self.with(from);
        self.inner.visit_some(from)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let from = self.with(from);
        self.inner.visit_newtype_struct(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.with(items);
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.with(entries);
        self.inner.visit_map(entries)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let variant = self.with(variant);
        self.inner.visit_enum(variant)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Reader<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        let from = self.with(from);
        self.inner.deserialize(from)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Reader<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.with(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Reader<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Reader<A> {
    type Error = A::Error;
    type Variant = Reader<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let strings = self.strings;
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, Reader { inner, strings }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Reader<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.visitor(visitor, false);
        self.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.visitor(visitor, false);
        self.inner.struct_variant(fields, visitor)
    }
}
