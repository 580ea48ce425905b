//! Values of any shape: JSON as it is.

use std::fmt;

use prost_types::{ListValue, Struct, Value as Dynamic, value::Kind};
use serde::{
    Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::Error as _,
};

use crate::{
    codec::{
        proto::{embedded::Embedded, known::WellKnown},
        schema,
    },
    node::Value,
};

/// Whole numbers up to here are exact, and written as such.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Embedded for Dynamic {
    const NULL: bool = true;

    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            None | Some(Kind::NullValue(_)) => to.serialize_unit(),
            Some(Kind::BoolValue(value)) => to.serialize_bool(*value),
            Some(Kind::StringValue(text)) => to.serialize_str(text),
            Some(Kind::NumberValue(number)) => self::number(*number, to),
            Some(Kind::StructValue(fields)) => fields.write(to),
            Some(Kind::ListValue(list)) => list.write(to),
        }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyShape)
            .map(|kind| Dynamic { kind: Some(kind) })
    }

    fn describe(_: u8) -> Value {
        schema::any()
    }
}

fn number<S: Serializer>(number: f64, to: S) -> Result<S::Ok, S::Error> {
    if !number.is_finite() {
        let text = format!("`{number}` in a `google.protobuf.Value` has no form in JSON");
        return Err(S::Error::custom(text));
    }
    let negative_zero = number == 0.0 && number.is_sign_negative();
    match number.fract() == 0.0 && number.abs() <= EXACT && !negative_zero {
        true => to.serialize_i64(number as i64),
        false => to.serialize_f64(number),
    }
}

impl Embedded for Struct {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.fields.iter().map(|(name, value)| (name, Lent(value))))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_map(AnyShape)? {
            Kind::StructValue(fields) => Ok(fields),
            _ => Err(D::Error::custom("expected an object")),
        }
    }

    fn describe(_: u8) -> Value {
        schema::map(schema::any())
    }
}

impl Embedded for ListValue {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.values.iter().map(Lent))
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_seq(AnyShape)? {
            Kind::ListValue(list) => Ok(list),
            _ => Err(D::Error::custom("expected a list")),
        }
    }

    fn describe(_: u8) -> Value {
        schema::list(schema::any())
    }
}

/// A value to be written.
struct Lent<'a>(&'a Dynamic);

impl Serialize for Lent<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::NullValue(0))
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Kind, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::BoolValue(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Kind, E> {
        Ok(Kind::StringValue(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut values = Vec::new();
        while let Some(WellKnown(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Kind::ListValue(ListValue { values }))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut fields = Struct::default().fields;
        while let Some((name, WellKnown(value))) = map.next_entry::<String, _>()? {
            fields.insert(name, value);
        }
        Ok(Kind::StructValue(Struct { fields }))
    }
}
