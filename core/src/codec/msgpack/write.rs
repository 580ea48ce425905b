//! Writing the common part of MessagePack: every serde type but those whose length is not known before
//! their end, extensions, and integers of 128 bits.

use bytes::Bytes;
use serde::ser::{self, Serialize, Serializer};

use super::{Uncommon, wire::BIN_8};
use crate::codec::buffer::Buffer;

/// A serializer whose output is rmp-serde's with names.
pub(super) struct Writer(Buffer);

type Written = Result<(), Uncommon>;

/// The first byte of a value whose length is in it, and those that 1, 2 and 4 bytes of length follow.
struct Lengths {
    /// The marker of length 0, and up to which length it can say.
    short: Option<(u8, usize)>,
    one: Option<u8>,
    two: u8,
    four: u8,
}

const STR: Lengths = Lengths {
    short: Some((0xa0, 31)),
    one: Some(0xd9),
    two: 0xda,
    four: 0xdb,
};
const BIN: Lengths = Lengths {
    short: None,
    one: Some(BIN_8),
    two: 0xc5,
    four: 0xc6,
};
const ARRAY: Lengths = Lengths {
    short: Some((0x90, 15)),
    one: None,
    two: 0xdc,
    four: 0xdd,
};
const MAP: Lengths = Lengths {
    short: Some((0x80, 15)),
    one: None,
    two: 0xde,
    four: 0xdf,
};

impl Writer {
    #[inline]
    pub(super) fn new() -> Self {
        Writer(Buffer::new())
    }

    #[inline]
    pub(super) fn finish(self) -> Bytes {
        self.0.finish()
    }

    #[inline]
    fn put<const N: usize>(&mut self, marker: u8, number: [u8; N]) -> Written {
        self.0.push(marker);
        self.0.append(&number);
        Ok(())
    }

    /// The head of a value; most are short.
    #[inline(always)]
    fn length(&mut self, of: &Lengths, length: usize) -> Written {
        match of.short {
            Some((marker, most)) if length <= most => {
                self.0.push(marker | length as u8);
                Ok(())
            }
            _ => self.long(of, length),
        }
    }

    fn long(&mut self, of: &Lengths, length: usize) -> Written {
        match of.one {
            Some(marker) if length <= 0xff => self.put(marker, [length as u8]),
            _ if length <= 0xffff => self.put(of.two, (length as u16).to_be_bytes()),
            _ => match u32::try_from(length) {
                Ok(length) => self.put(of.four, length.to_be_bytes()),
                Err(_) => Err(Uncommon),
            },
        }
    }

    #[inline(always)]
    fn str(&mut self, text: &str) -> Written {
        self.length(&STR, text.len())?;
        self.0.append(text.as_bytes());
        Ok(())
    }

    /// The head of an enum's variant that has content: a map of one entry.
    fn variant(&mut self, name: &str) -> Written {
        self.length(&MAP, 1)?;
        self.str(name)
    }
}

impl Serializer for &mut Writer {
    type Ok = ();
    type Error = Uncommon;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Written {
        self.0.push(0xc2 | u8::from(value));
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Written {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Written {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Written {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Written {
        if let Ok(value) = u64::try_from(value) {
            return self.serialize_u64(value);
        }
        if value >= -32 {
            self.0.push(value as u8);
            return Ok(());
        }
        if let Ok(value) = i8::try_from(value) {
            return self.put(0xd0, value.to_be_bytes());
        }
        if let Ok(value) = i16::try_from(value) {
            return self.put(0xd1, value.to_be_bytes());
        }
        match i32::try_from(value) {
            Ok(value) => self.put(0xd2, value.to_be_bytes()),
            Err(_) => self.put(0xd3, value.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Written {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Written {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Written {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Written {
        match value {
            0..=0x7f => {
                self.0.push(value as u8);
                Ok(())
            }
            0x80..=0xff => self.put(0xcc, [value as u8]),
            0x100..=0xffff => self.put(0xcd, (value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.put(0xce, (value as u32).to_be_bytes()),
            _ => self.put(0xcf, value.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Written {
        self.put(0xca, value.to_be_bytes())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Written {
        self.put(0xcb, value.to_be_bytes())
    }

    #[inline]
    fn serialize_char(self, value: char) -> Written {
        self.str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Written {
        self.str(text)
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Written {
        match u8::try_from(bytes.len()) {
            Ok(length) => self.put(BIN_8, [length])?,
            Err(_) => self.long(&BIN, bytes.len())?,
        }
        self.0.append(bytes);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Written {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Written {
        self.0.push(0xc0);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.length(&ARRAY, 0)
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Written {
        match name {
            rmp_serde::MSGPACK_EXT_STRUCT_NAME => Err(Uncommon),
            _ => value.serialize(self),
        }
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        self.variant(variant)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Uncommon> {
        self.length(&ARRAY, length.ok_or(Uncommon)?)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self, Uncommon> {
        self.serialize_seq(Some(length))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Self, Uncommon> {
        self.serialize_seq(Some(length))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Uncommon> {
        self.variant(variant)?;
        self.serialize_seq(Some(length))
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, Uncommon> {
        self.length(&MAP, length.ok_or(Uncommon)?)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Self, Uncommon> {
        self.serialize_map(Some(length))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Uncommon> {
        self.variant(variant)?;
        self.serialize_map(Some(length))
    }
}

/// What has its length in front is done when its last part is written.
macro_rules! parts {
    ($($of:ident::$part:ident($($name:ident: $type:ty)?);)*) => {$(
        impl ser::$of for &mut Writer {
            type Ok = ();
            type Error = Uncommon;

            #[inline]
            fn $part<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Written {
                $(self.str($name)?;)?
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Written {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(key: &'static str);
    SerializeStructVariant::serialize_field(key: &'static str);
}

impl ser::SerializeMap for &mut Writer {
    type Ok = ();
    type Error = Uncommon;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        key.serialize(&mut **self)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Written {
        Ok(())
    }
}
