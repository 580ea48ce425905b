//! Protobuf's JSON as go-micro of every version reads it: names as they stand in the `.proto`, integers of
//! 64 bits and enumerations as numbers.
//!
//! Go's `encoding/json` over generated code, which go-micro used up to 2019, knows no other form; what came
//! after it reads this one as well.

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{Error, Impossible, SerializeMap, SerializeSeq, SerializeStruct},
};

use crate::{
    base64,
    codec::{buffer::Buffer, json::Writer, wrong},
    error::Result,
    message::ContentType,
};

/// The form of a message.
pub(super) fn encode<T: Serialize>(message: &T) -> Result<Bytes> {
    let mut buffer = Buffer::new();
    message
        .serialize(Snake(&mut serde_json::Serializer::new(&mut buffer)))
        .map_err(|error| wrong::write::<T>(&ContentType::GoJson, error))?;
    Ok(buffer.finish())
}

/// Writes by `S`, which is JSON's: says that it is not for people, so that numbers stay numbers, and names
/// fields in snake case.
struct Snake<S>(S);

/// A value within a message.
struct Within<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Serialize for Within<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(Snake(to))
    }
}

macro_rules! passed_on {
    ($($method:ident $type:ty),* $(,)?) => {$(
        fn $method(self, value: $type) -> std::result::Result<S::Ok, S::Error> {
            self.0.$method(value)
        }
    )*};
}

/// What no message of Protobuf has.
fn never<T, E: Error>() -> std::result::Result<T, E> {
    Err(E::custom("a message of Protobuf has no such value"))
}

impl<S: Serializer> Serializer for Snake<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Snake<S::SerializeSeq>;
    type SerializeTuple = Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = Impossible<S::Ok, S::Error>;
    type SerializeMap = Snake<S::SerializeMap>;
    type SerializeStruct = Snake<S::SerializeMap>;
    type SerializeStructVariant = Impossible<S::Ok, S::Error>;

    passed_on! {
        serialize_bool bool,
        serialize_i8 i8,
        serialize_i16 i16,
        serialize_i32 i32,
        serialize_i64 i64,
        serialize_u8 u8,
        serialize_u16 u16,
        serialize_u32 u32,
        serialize_u64 u64,
        serialize_char char,
        serialize_str &str,
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_f32(self, number: f32) -> std::result::Result<S::Ok, S::Error> {
        Writer(self.0).serialize_f32(number)
    }

    fn serialize_f64(self, number: f64) -> std::result::Result<S::Ok, S::Error> {
        Writer(self.0).serialize_f64(number)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize_str(&base64::encode(bytes))
    }

    fn serialize_none(self) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(
        self,
        value: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_struct(self, _: &'static str) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> std::result::Result<S::Ok, S::Error> {
        never()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> std::result::Result<S::Ok, S::Error> {
        never()
    }

    fn serialize_seq(
        self,
        length: Option<usize>,
    ) -> std::result::Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(length).map(Snake)
    }

    fn serialize_tuple(self, _: usize) -> std::result::Result<Self::SerializeTuple, S::Error> {
        never()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeTupleStruct, S::Error> {
        never()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeTupleVariant, S::Error> {
        never()
    }

    fn serialize_map(
        self,
        length: Option<usize>,
    ) -> std::result::Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(length).map(Snake)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        count: usize,
    ) -> std::result::Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_map(Some(count)).map(Snake)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> std::result::Result<Self::SerializeStructVariant, S::Error> {
        never()
    }
}

impl<S: SerializeSeq> SerializeSeq for Snake<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_element<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> std::result::Result<(), S::Error> {
        self.0.serialize_element(&Within(value))
    }

    fn end(self) -> std::result::Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: SerializeMap> SerializeMap for Snake<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(
        &mut self,
        key: &T,
    ) -> std::result::Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> std::result::Result<(), S::Error> {
        self.0.serialize_value(&Within(value))
    }

    fn end(self) -> std::result::Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: SerializeMap> SerializeStruct for Snake<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> std::result::Result<(), S::Error> {
        self.0.serialize_entry(&*snake(name), &Within(value))
    }

    fn end(self) -> std::result::Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// The name in the `.proto` of a field whose name in JSON is `name`: the style guide's, since the mapping to
/// camel case forgets an underscore before a digit.
fn snake(name: &str) -> std::borrow::Cow<'_, str> {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return name.into();
    }
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_proto() {
        for (json, proto) in [
            ("name", "name"),
            ("fullName", "full_name"),
            ("aBC", "a_b_c"),
            ("x2Y", "x2_y"),
        ] {
            assert_eq!(snake(json), proto);
        }
    }
}
