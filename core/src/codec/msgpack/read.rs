//! Reading: what each method of serde's `Deserializer` accepts.
//!
//! The first pass accepts the forms that [`Writer`](super::write::Writer) writes. The full pass accepts what every
//! MessagePack library writes: an array for a struct or for bytes, a number for a variant, bytes for a text.

use serde::de::{self, Deserializer, Visitor};

use super::{
    Pass,
    parts::{Entries, Fields, Parts, Variant},
    wire::{self, Reader, Wire},
};

impl<'de, P: Pass> Reader<'de, P> {
    #[inline]
    fn number<V: Visitor<'de>>(&mut self, marker: u8, visitor: V) -> Result<V::Value, P> {
        match marker {
            0x00..=0x7f => visitor.visit_u8(marker),
            0xe0..=0xff => visitor.visit_i8(marker as i8),
            0xc0 => visitor.visit_unit(),
            0xc2 => visitor.visit_bool(false),
            0xc3 => visitor.visit_bool(true),
            0xca => visitor.visit_f32(f32::from_be_bytes(self.fixed()?)),
            0xcb => visitor.visit_f64(f64::from_be_bytes(self.fixed()?)),
            0xcc => visitor.visit_u8(u8::from_be_bytes(self.fixed()?)),
            0xcd => visitor.visit_u16(u16::from_be_bytes(self.fixed()?)),
            0xce => visitor.visit_u32(u32::from_be_bytes(self.fixed()?)),
            0xcf => visitor.visit_u64(u64::from_be_bytes(self.fixed()?)),
            0xd0 => visitor.visit_i8(i8::from_be_bytes(self.fixed()?)),
            0xd1 => visitor.visit_i16(i16::from_be_bytes(self.fixed()?)),
            0xd2 => visitor.visit_i32(i32::from_be_bytes(self.fixed()?)),
            0xd3 => visitor.visit_i64(i64::from_be_bytes(self.fixed()?)),
            _ => Err(P::new("it contains a byte that starts no value")),
        }
    }

    #[inline]
    fn array<V: Visitor<'de>>(&mut self, length: u32, visitor: V) -> Result<V::Value, P> {
        self.nested(length, |parts| visitor.visit_seq(parts))
    }

    #[inline]
    fn map<V: Visitor<'de>>(&mut self, length: u32, visitor: V) -> Result<V::Value, P> {
        self.nested(length, |parts| visitor.visit_map(Entries(parts)))
    }

    /// Reads the content of an array or map with `read`, which must take all of it.
    #[inline]
    fn nested<T>(
        &mut self,
        left: u32,
        read: impl FnOnce(&mut Parts<'_, 'de, P>) -> Result<T, P>,
    ) -> Result<T, P> {
        self.deeper(|reader| {
            let mut parts = Parts { reader, left };
            let value = read(&mut parts)?;
            match parts.left {
                0 => Ok(value),
                _ => Err(P::new("an array or map is longer than its type")),
            }
        })
    }

    /// Reads a value that is not in the form expected for its type: the visitor takes it, or says why not.
    #[cold]
    fn other<V: Visitor<'de>>(&mut self, value: Wire<'de>, visitor: V) -> Result<V::Value, P> {
        match P::FULL {
            true => self.value(value, visitor),
            false => Err(P::new("")),
        }
    }

    #[inline]
    fn value<V: Visitor<'de>>(&mut self, value: Wire<'de>, visitor: V) -> Result<V::Value, P> {
        match value {
            Wire::Number(marker) => self.number(marker, visitor),
            Wire::Str(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) if P::FULL => visitor.visit_borrowed_bytes(bytes),
                Err(_) => Err(P::new("")),
            },
            Wire::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Wire::Array(length) => self.array(length, visitor),
            Wire::Map(length) => self.map(length, visitor),
            Wire::Extension(kind) => Err(de::Error::custom(format_args!(
                "extensions are not supported, and a value has extension type {kind}"
            ))),
        }
    }

    /// A 128-bit integer: 16 bytes, or any number that is shorter.
    fn wide(&mut self) -> Result<Option<[u8; 16]>, P> {
        let mut ahead = Reader::<P>::new(self.rest);
        let Ok(Wire::Bin(bytes)) = ahead.next() else {
            return Ok(None);
        };
        self.rest = ahead.rest;
        let bytes = bytes.try_into();
        bytes
            .map_err(|_| P::new("an integer of 128 bits has 16 bytes"))
            .map(Some)
    }
}

macro_rules! values {
    (any: $($any:ident)*; number: $($number:ident)*) => {
        $(#[inline]
        fn $any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
            self.deserialize_any(visitor)
        })*
        $(#[inline]
        fn $number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
            match self.next()? {
                Wire::Number(marker) => self.number(marker, visitor),
                other => self.other(other, visitor),
            }
        })*
    };
}

impl<'de, P: Pass> Deserializer<'de> for &mut Reader<'de, P> {
    type Error = P;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        let value = self.next()?;
        self.value(value, visitor)
    }

    values! {
        any: deserialize_char deserialize_identifier deserialize_unit;
        number: deserialize_bool
            deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
            deserialize_f32 deserialize_f64
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        match self.wide()? {
            Some(bytes) => visitor.visit_i128(i128::from_be_bytes(bytes)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        match self.wide()? {
            Some(bytes) => visitor.visit_u128(u128::from_be_bytes(bytes)),
            None => self.deserialize_any(visitor),
        }
    }

    /// A field that the type does not know may be an extension too: go-micro writes times as such.
    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        match self.next()? {
            Wire::Extension(..) => visitor.visit_unit(),
            value => self.value(value, visitor),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        if P::FULL {
            return self.deserialize_any(visitor);
        }
        match std::str::from_utf8(self.str()?) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => Err(P::new("")),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        if let [wire::BIN_8, length, rest @ ..] = self.rest {
            self.rest = rest;
            let bytes = self.bytes(usize::from(*length))?;
            return visitor.visit_borrowed_bytes(bytes);
        }
        match self.next()? {
            Wire::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            other => self.other(other, visitor),
        }
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, P> {
        match self.next()? {
            Wire::Array(0) => visitor.visit_unit(),
            value => self.value(value, visitor),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, P> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        match self.next()? {
            Wire::Array(length) => self.array(length, visitor),
            other => self.other(other, visitor),
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, P> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, P> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        match self.next()? {
            Wire::Map(length) => self.map(length, visitor),
            other => self.other(other, visitor),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, P> {
        let length = match self.short(0x80, 15) {
            Some(length) => length,
            None => match self.next()? {
                Wire::Map(length) => length,
                other => return self.other(other, visitor),
            },
        };
        self.nested(length, |parts| visitor.visit_map(Fields(parts)))
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, P> {
        match self.next()? {
            // A variant without content.
            Wire::Str(name) => match std::str::from_utf8(name) {
                Ok(name) => visitor.visit_enum(de::value::BorrowedStrDeserializer::new(name)),
                Err(_) => Err(P::new("the name of a variant is not UTF-8")),
            },
            Wire::Map(1) => visitor.visit_enum(Variant(self)),
            Wire::Number(index @ 0x00..=0x7f) if P::FULL => {
                visitor.visit_enum(de::value::U32Deserializer::new(index.into()))
            }
            other => self.other(other, visitor),
        }
    }
}
