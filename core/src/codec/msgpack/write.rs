//! Writing: every type of serde in its shortest form, structs with the names of their fields.

use std::marker::PhantomData;

use bytes::Bytes;
use serde::ser::{self, Serialize, Serializer};

use super::{Pass, wire::BIN_8};
use crate::codec::buffer::Buffer;

/// A serializer into bytes.
pub(super) struct Writer<P>(Buffer, PhantomData<P>);

/// The markers of a kind of value: with the length in the marker, and in the 1, 2 or 4 bytes behind it.
struct Lengths {
    /// The marker of length 0, and the greatest length that fits into it.
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

impl<P: Pass> Writer<P> {
    #[inline]
    pub(super) fn new() -> Self {
        Writer(Buffer::new(), PhantomData)
    }

    #[inline]
    pub(super) fn finish(self) -> Bytes {
        self.0.finish()
    }

    #[inline]
    fn put<const N: usize>(&mut self, marker: u8, number: [u8; N]) -> Result<(), P> {
        self.0.push(marker);
        self.0.append(&number);
        Ok(())
    }

    /// The head of a value; most are short.
    #[inline(always)]
    fn length(&mut self, of: &Lengths, length: usize) -> Result<(), P> {
        match of.short {
            Some((marker, max)) if length <= max => {
                self.0.push(marker | length as u8);
                Ok(())
            }
            _ => self.long(of, length),
        }
    }

    fn long(&mut self, of: &Lengths, length: usize) -> Result<(), P> {
        match of.one {
            Some(marker) if length <= 0xff => self.put(marker, [length as u8]),
            _ if length <= 0xffff => self.put(of.two, (length as u16).to_be_bytes()),
            _ => match u32::try_from(length) {
                Ok(length) => self.put(of.four, length.to_be_bytes()),
                Err(_) => Err(P::new("it is longer than 4 GiB")),
            },
        }
    }

    #[cold]
    fn insert_length(&mut self, start: usize, kind: &Lengths, length: usize) -> Result<(), P> {
        let mut head = Writer::<P>::new();
        head.length(kind, length)?;
        self.0.insert(start, &head.finish());
        Ok(())
    }

    #[inline(always)]
    fn str(&mut self, text: &str) -> Result<(), P> {
        self.length(&STR, text.len())?;
        self.0.append(text.as_bytes());
        Ok(())
    }

    /// The head of an enum's variant that has content: a map of one entry.
    fn variant(&mut self, name: &str) -> Result<(), P> {
        self.length(&MAP, 1)?;
        self.str(name)
    }
}

impl<'w, P: Pass> Serializer for &'w mut Writer<P> {
    type Ok = ();
    type Error = P;
    type SerializeSeq = Open<'w, P>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Open<'w, P>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), P> {
        self.0.push(0xc2 | u8::from(value));
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), P> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), P> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), P> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), P> {
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
    fn serialize_u8(self, value: u8) -> Result<(), P> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), P> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), P> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), P> {
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
    fn serialize_f32(self, value: f32) -> Result<(), P> {
        self.put(0xca, value.to_be_bytes())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), P> {
        self.put(0xcb, value.to_be_bytes())
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), P> {
        self.str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), P> {
        self.str(text)
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), P> {
        match u8::try_from(bytes.len()) {
            Ok(length) => self.put(BIN_8, [length])?,
            Err(_) => self.long(&BIN, bytes.len())?,
        }
        self.0.append(bytes);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), P> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), P> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), P> {
        self.0.push(0xc0);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), P> {
        self.length(&ARRAY, 0)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), P> {
        self.str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), P> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), P> {
        self.variant(variant)?;
        value.serialize(self)
    }

    fn serialize_i128(self, value: i128) -> Result<(), P> {
        self.serialize_bytes(&value.to_be_bytes())
    }

    fn serialize_u128(self, value: u128) -> Result<(), P> {
        self.serialize_bytes(&value.to_be_bytes())
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Open<'w, P>, P> {
        Open::new(self, &ARRAY, length)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self, P> {
        self.length(&ARRAY, length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Self, P> {
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, P> {
        self.variant(variant)?;
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Open<'w, P>, P> {
        Open::new(self, &MAP, length)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Self, P> {
        self.length(&MAP, length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, P> {
        self.variant(variant)?;
        self.length(&MAP, length)?;
        Ok(self)
    }
}

/// What has its length in front is done when its last part is written.
/// An array or map that is being written. Where its length was not known before, it is counted, and the length inserted
/// at the end.
pub(super) struct Open<'w, P> {
    writer: &'w mut Writer<P>,
    kind: &'static Lengths,
    /// Where the length is inserted, if it was not known.
    start: Option<usize>,
    count: usize,
}

impl<'w, P: Pass> Open<'w, P> {
    #[inline]
    fn new(
        writer: &'w mut Writer<P>,
        kind: &'static Lengths,
        length: Option<usize>,
    ) -> Result<Self, P> {
        let start = match length {
            Some(length) => {
                writer.length(kind, length)?;
                None
            }
            None => Some(writer.0.len()),
        };
        Ok(Open {
            writer,
            kind,
            start,
            count: 0,
        })
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P> {
        self.count += 1;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn finish(self, values_per_entry: usize) -> Result<(), P> {
        match self.start {
            Some(start) => {
                self.writer
                    .insert_length(start, self.kind, self.count / values_per_entry)
            }
            None => Ok(()),
        }
    }
}

impl<P: Pass> ser::SerializeSeq for Open<'_, P> {
    type Ok = ();
    type Error = P;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P> {
        self.write(value)
    }

    #[inline]
    fn end(self) -> Result<(), P> {
        self.finish(1)
    }
}

impl<P: Pass> ser::SerializeMap for Open<'_, P> {
    type Ok = ();
    type Error = P;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P> {
        self.write(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P> {
        self.write(value)
    }

    #[inline]
    fn end(self) -> Result<(), P> {
        self.finish(2)
    }
}

macro_rules! parts {
    ($($of:ident::$part:ident($($name:ident: $type:ty)?);)*) => {$(
        impl<P: Pass> ser::$of for &mut Writer<P> {
            type Ok = ();
            type Error = P;

            #[inline]
            fn $part<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)?
                value: &T,
            ) -> Result<(), P> {
                $(self.str($name)?;)?
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), P> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(key: &'static str);
    SerializeStructVariant::serialize_field(key: &'static str);
}
