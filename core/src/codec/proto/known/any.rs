//! A message of any type, with the name of that type.
//!
//! JSON has to look into the message, for which its type must be known. Here those are the well-known types,
//! which stand under `value` as the standard has it. Any other message stands under `@value`, as its bytes in
//! Base64: other implementations do not read that, so `Any` between languages goes as Protobuf.

use prost_types::{Any, Duration, FieldMask, ListValue, Struct, Timestamp, Value as Dynamic};
use serde::{
    Deserialize, Deserializer, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value as Json};

use crate::{
    base64,
    codec::{
        depth,
        proto::{embedded::Embedded, known::WellKnown},
    },
    node::Value,
};

const TYPE: &str = "@type";
const VALUE: &str = "value";
const BYTES: &str = "@value";

impl Embedded for Any {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.type_url.is_empty() {
            return to.serialize_map(Some(0))?.end();
        }
        let mut object = to.serialize_map(Some(2))?;
        object.serialize_entry(TYPE, &self.type_url)?;
        match form(&self.type_url) {
            Some(form) => {
                let value = (form.to_json)(&self.value, depth::PROTOBUF).map_err(|why| {
                    S::Error::custom(format_args!("any of `{}`: {why}", self.type_url))
                })?;
                object.serialize_entry(VALUE, &value)?;
            }
            None => object.serialize_entry(BYTES, &base64::encode(&self.value))?,
        }
        object.end()
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut object = Map::deserialize(from)?;
        let type_url = match object.remove(TYPE) {
            Some(Json::String(type_url)) if type_url.contains('/') => type_url,
            None if object.is_empty() => return Ok(Any::default()),
            _ => {
                let text = "an any needs `@type`, such as `type.googleapis.com/package.Type`";
                return Err(D::Error::custom(text));
            }
        };
        let value = match form(&type_url) {
            // Earlier versions have an any in an any as bytes.
            Some(_) if object.contains_key(BYTES) && !object.contains_key(VALUE) => bytes(&object),
            Some(form) => (form.from_json)(object.remove(VALUE).unwrap_or_default()),
            None => bytes(&object),
        };
        match value {
            Ok(value) => Ok(Any { type_url, value }),
            Err(why) => Err(D::Error::custom(format_args!("any of `{type_url}`: {why}"))),
        }
    }

    fn describe(_: u8) -> Value {
        crate::codec::schema::any()
    }
}

fn bytes(object: &Map<String, Json>) -> Result<Vec<u8>, String> {
    match object.get(BYTES).and_then(Json::as_str) {
        Some(text) => base64::decode(text).ok_or_else(|| "this is not Base64".to_owned()),
        None => Err(
            "its type is not known here; give its bytes in Base64 as `@value`, or send Protobuf"
                .to_owned(),
        ),
    }
}

/// An any in an any, which has at most `left` more inside each other: each is bytes of its own, so Protobuf's
/// limit does not see them.
fn nested(bytes: &[u8], left: usize) -> Result<Json, String> {
    let left = left
        .checked_sub(1)
        .ok_or_else(|| format!("it is nested deeper than the limit of {}", depth::PROTOBUF))?;
    let any = <Any as prost::Message>::decode(bytes).map_err(|error| error.to_string())?;
    let mut object = Map::new();
    if any.type_url.is_empty() {
        return Ok(Json::Object(object));
    }
    match form(&any.type_url) {
        Some(form) => object.insert(VALUE.into(), (form.to_json)(&any.value, left)?),
        None => object.insert(BYTES.into(), base64::encode(&any.value).into()),
    };
    object.insert(TYPE.into(), any.type_url.into());
    Ok(Json::Object(object))
}

/// How a known type goes from Protobuf to JSON and back.
struct Form {
    /// With how many levels of anys inside each other there may be.
    to_json: fn(&[u8], usize) -> Result<Json, String>,
    from_json: fn(Json) -> Result<Vec<u8>, String>,
}

impl Form {
    fn of<T: prost::Message + Embedded + Default>() -> Self {
        Form {
            to_json: |bytes, _| {
                let value = T::decode(bytes).map_err(|error| error.to_string())?;
                serde_json::to_value(WellKnown(value)).map_err(|error| error.to_string())
            },
            from_json: |json| {
                let WellKnown(value): WellKnown<T> =
                    serde_json::from_value(json).map_err(|error| error.to_string())?;
                Ok(value.encode_to_vec())
            },
        }
    }
}

/// The form of a type of this name; `None` when it is not well known.
fn form(type_url: &str) -> Option<Form> {
    let (_, name) = type_url.rsplit_once('/')?;
    Some(match name.strip_prefix("google.protobuf.")? {
        "Any" => Form {
            to_json: nested,
            ..Form::of::<Any>()
        },
        "Duration" => Form::of::<Duration>(),
        "Empty" => Form::of::<()>(),
        "FieldMask" => Form::of::<FieldMask>(),
        "ListValue" => Form::of::<ListValue>(),
        "Struct" => Form::of::<Struct>(),
        "Timestamp" => Form::of::<Timestamp>(),
        "Value" => Form::of::<Dynamic>(),
        "BoolValue" => Form::of::<bool>(),
        "BytesValue" => Form::of::<Vec<u8>>(),
        "DoubleValue" => Form::of::<f64>(),
        "FloatValue" => Form::of::<f32>(),
        "Int32Value" => Form::of::<i32>(),
        "Int64Value" => Form::of::<i64>(),
        "StringValue" => Form::of::<String>(),
        "UInt32Value" => Form::of::<u32>(),
        "UInt64Value" => Form::of::<u64>(),
        _ => return None,
    })
}
