//! Reading the common part of MessagePack: all but extensions, and what is in an unusual place.

use serde::de::{self, Deserializer, Visitor};

use super::{
    Uncommon,
    parts::{Entries, Fields, Parts, Variant},
    wire::{self, Reader, Wire},
};

impl<'de> Reader<'de> {
    #[inline]
    fn number<V: Visitor<'de>>(&mut self, marker: u8, visitor: V) -> Result<V::Value, Uncommon> {
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
            _ => Err(Uncommon),
        }
    }

    #[inline]
    fn array<V: Visitor<'de>>(&mut self, length: u32, visitor: V) -> Result<V::Value, Uncommon> {
        self.nested(length, |parts| visitor.visit_seq(parts))
    }

    #[inline]
    fn map<V: Visitor<'de>>(&mut self, length: u32, visitor: V) -> Result<V::Value, Uncommon> {
        self.nested(length, |parts| visitor.visit_map(Entries(parts)))
    }

    /// Reads what is in a list or map, which must be all that is in it.
    #[inline]
    fn nested<T>(
        &mut self,
        left: u32,
        read: impl FnOnce(&mut Parts<'_, 'de>) -> Result<T, Uncommon>,
    ) -> Result<T, Uncommon> {
        self.deeper(|reader| {
            let mut parts = Parts { reader, left };
            let value = read(&mut parts)?;
            match parts.left {
                0 => Ok(value),
                _ => Err(Uncommon),
            }
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Uncommon> {
    std::str::from_utf8(bytes).map_err(|_| Uncommon)
}

/// Methods that rmp-serde answers with any value, with a number, and with any value but bytes.
macro_rules! values {
    (any: $($any:ident)*; number: $($number:ident)*) => {
        $(#[inline]
        fn $any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
            self.deserialize_any(visitor)
        })*
        $(#[inline]
        fn $number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
            match self.next()? {
                Wire::Number(marker) => self.number(marker, visitor),
                _ => Err(Uncommon),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Uncommon;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        match self.next()? {
            Wire::Number(marker) => self.number(marker, visitor),
            Wire::Str(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            Wire::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Wire::Array(length) => self.array(length, visitor),
            Wire::Map(length) => self.map(length, visitor),
        }
    }

    values! {
        any: deserialize_char deserialize_identifier deserialize_ignored_any deserialize_unit;
        number: deserialize_bool
            deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
            deserialize_f32 deserialize_f64
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        let bytes = self.str()?;
        visitor.visit_borrowed_str(text(bytes)?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        if let [wire::BIN_8, length, rest @ ..] = self.rest {
            self.rest = rest;
            let bytes = self.bytes(usize::from(*length))?;
            return visitor.visit_borrowed_bytes(bytes);
        }
        match self.next()? {
            Wire::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => Err(Uncommon),
        }
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: V,
    ) -> Result<V::Value, Uncommon> {
        Err(Uncommon)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Uncommon> {
        match name {
            rmp_serde::MSGPACK_EXT_STRUCT_NAME => Err(Uncommon),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        match self.next()? {
            Wire::Array(length) => self.array(length, visitor),
            _ => Err(Uncommon),
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Uncommon> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Uncommon> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        match self.next()? {
            Wire::Map(length) => self.map(length, visitor),
            _ => Err(Uncommon),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Uncommon> {
        let length = match self.short(0x80, 15) {
            Some(length) => length,
            None => match self.next()? {
                Wire::Map(length) => length,
                _ => return Err(Uncommon),
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
    ) -> Result<V::Value, Uncommon> {
        match self.next()? {
            // A variant without content.
            Wire::Str(name) => {
                visitor.visit_enum(de::value::BorrowedStrDeserializer::new(text(name)?))
            }
            Wire::Map(1) => visitor.visit_enum(Variant(self)),
            _ => Err(Uncommon),
        }
    }
}
