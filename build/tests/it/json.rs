//! The JSON form of generated messages, held against that of another implementation.

use std::sync::LazyLock;

use bytes::Bytes;
use micro::{Codecs, ContentType, Message};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};

use crate::golden::{
    everything::{All, FILE_DESCRIPTOR_SET, all},
    legacy::{Record, record},
    packages::shop::{Money, v1::Order},
};

pub(crate) fn to_json(message: &impl Message) -> Value {
    let bytes = message.encode(&ContentType::Json, &Codecs::default());
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

pub(crate) fn from_json<T: Message>(json: &Value) -> micro::Result<T> {
    T::decode(
        &ContentType::Json,
        &Codecs::default(),
        json.to_string().into(),
    )
}

fn encode(message: &impl Message, content_type: &ContentType) -> Bytes {
    message.encode(content_type, &Codecs::default()).unwrap()
}

fn decode<T: Message>(bytes: Bytes, content_type: &ContentType) -> T {
    T::decode(content_type, &Codecs::default(), bytes).unwrap()
}

/// `everything.All` as the other implementation knows it, by what reflection would tell it.
fn other() -> MessageDescriptor {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());
    POOL.get_message_by_name("everything.All").unwrap()
}

/// Requests, each in the form that is written.
fn vectors() -> Vec<Value> {
    vec![
        json!({}),
        json!({
            "aDouble": 1.5, "aFloat": -0.25, "anInt32": i32::MIN, "anInt64": "-9223372036854775808",
            "anUint32": u32::MAX, "anUint64": "18446744073709551615", "aSint32": -1, "aSint64": "-2",
            "aFixed32": 3, "aFixed64": "4", "aSfixed32": -5, "aSfixed64": "-6", "aBool": true,
            "aString": "text", "someBytes": "+/8=", "colour": "COLOUR_DARK_RED",
            "inner": {"firstName": "John", "kind": "KIND_BAD"},
        }),
        json!({"aDouble": "NaN", "aFloat": "-Infinity"}),
        json!({"colour": 77, "colours": ["COLOUR_UNSPECIFIED", "PLAIN_BLUE", -1]}),
        json!({"maybeNumber": "0", "maybeText": "", "maybeColour": "COLOUR_UNSPECIFIED", "inner": {}}),
        json!({
            "numbers": ["1", "-2"], "texts": ["a", ""], "inners": [{}, {"kind": "KIND_GOOD"}],
            "blobs": ["", "AA=="],
        }),
        json!({
            "byString": {"k": "1"}, "byInt32": {"-1": "a"}, "byInt64": {"-2": "b"},
            "byUint32": {"3": "c"}, "byUint64": {"18446744073709551615": "d"}, "bySint32": {"-5": "e"},
            "bySint64": {"-6": "f"}, "byFixed32": {"7": "g"}, "byFixed64": {"8": "h"},
            "bySfixed32": {"-9": "i"}, "bySfixed64": {"-10": "j"},
            "byBool": {"true": "PLAIN_BLUE", "false": "COLOUR_UNSPECIFIED"},
            "innerByName": {"": {"firstName": "x"}},
        }),
        json!({"chosenText": ""}),
        json!({"chosenNumber": "7"}),
        json!({"chosenInner": {}}),
        json!({"chosenColour": "COLOUR_UNSPECIFIED"}),
        json!({"chosenNull": null}),
        json!({"chosenBytes": ""}),
        json!({"line1": "a"}),
        json!({"chosenValue": null}),
        json!({"timestamp": "2026-01-31T12:00:00Z", "timestamps": [
            "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.500Z",
            "1970-01-01T00:00:00.000001Z",
        ]}),
        json!({"duration": "-1.500s"}),
        json!({"duration": "315576000000s"}),
        json!({"mask": "user.displayName,photo"}),
        json!({"structure": {"a": null, "b": [1, "x", {"c": true}], "d": -0.5}}),
        json!({"value": null}),
        json!({"value": [[]], "valueByName": {"n": null, "s": "t"}, "values": [null, 1, {}]}),
        json!({"list": [null, false]}),
        json!({"any": {
            "@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s",
        }}),
        json!({"any": {
            "@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "9",
        }}),
        json!({"empty": {}}),
        json!({
            "wrappedBool": false, "wrappedInt32": 0, "wrappedInt64": "0", "wrappedUint32": 0,
            "wrappedUint64": "18446744073709551615", "wrappedFloat": 0.5, "wrappedDouble": -1.5,
            "wrappedString": "", "wrappedBytes": "",
        }),
        json!({"type": "a", "self": "b", "fooBar": "c", "fooBar2": "d", "URL": "e", "displayed": "f"}),
        json!({"old": "g", "deeper": {"deeper": {"aBool": true}}}),
    ]
}

#[test]
fn what_is_read_and_written_is_what_another_implementation_has() {
    for json in vectors() {
        let message: All = from_json(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(to_json(&message), json);

        let theirs = DynamicMessage::deserialize(other(), &json)
            .unwrap_or_else(|error| panic!("{json}: {error}"));
        let from_theirs: All = decode(
            prost_reflect::prost::Message::encode_to_vec(&theirs).into(),
            &ContentType::Protobuf,
        );
        // What is written, as NaN is not equal to itself.
        assert_eq!(to_json(&from_theirs), json);

        let ours = encode(&message, &ContentType::Protobuf);
        let theirs = DynamicMessage::decode(other(), ours).unwrap();
        let written = serde_json::to_value(&theirs).unwrap();
        assert_eq!(normal(written), normal(json));
    }
}

/// With every number as a float: whole floats are written both as `1` and as `1.0`.
fn normal(json: Value) -> Value {
    match json {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, normal(value)))
            .collect(),
        other => other,
    }
}

#[test]
fn messages_survive_every_content_type() {
    for json in vectors() {
        let message: All = from_json(&json).unwrap();
        for content_type in [ContentType::Protobuf, ContentType::MsgPack] {
            let again: All = decode(encode(&message, &content_type), &content_type);
            assert_eq!(to_json(&again), json, "{content_type}");
        }
    }
}

#[test]
fn names_are_read_as_in_the_file_and_as_in_json() {
    let json = json!({
        "an_int64": 1, "maybe_text": "a", "line_1": "b", "foo__bar2": "c", "shown": "d", "fooBar": "e",
        "chosen": {"skipped": [1]}, "wrapped_int64": 5,
    });
    let message: All = from_json(&json).unwrap();
    let expected = All {
        an_int64: 1,
        maybe_text: Some("a".into()),
        choice: Some(all::Choice::Line1("b".into())),
        foo_bar2: "c".into(),
        shown: "d".into(),
        foo_bar: "e".into(),
        wrapped_int64: Some(5),
        ..All::default()
    };
    assert_eq!(message, expected);
}

#[test]
fn null_is_a_default_where_it_is_no_value() {
    let names = to_json(&from_json::<All>(&vectors()[1]).unwrap());
    let nulls: Value = names
        .as_object()
        .unwrap()
        .keys()
        .map(|name| (name.clone(), Value::Null))
        .collect();
    assert_eq!(from_json::<All>(&nulls).unwrap(), All::default());
    let known = json!({"timestamp": null, "any": null, "wrappedString": null, "structure": null});
    assert_eq!(from_json::<All>(&known).unwrap(), All::default());
}

#[test]
fn older_syntax_has_the_same_form() {
    let record = Record {
        name: String::new(),
        size: Some(0),
        parts: vec![1],
        header: Some(record::Header {
            title: Some("t".into()),
        }),
        ..Record::default()
    };
    let json = json!({"name": "", "size": 0, "parts": [1], "header": {"title": "t"}});
    assert_eq!(to_json(&record), json);
    assert_eq!(from_json::<Record>(&json).unwrap(), record);
    assert_eq!(from_json::<Record>(&json!({})).unwrap().size(), 5);
}

#[test]
fn messages_of_one_package_stand_in_those_of_another() {
    let order = Order {
        item: "tea".into(),
        price: Some(Money {
            currency: "ZAR".into(),
            units: 50,
        }),
    };
    let json = json!({"item": "tea", "price": {"currency": "ZAR", "units": "50"}});
    assert_eq!(to_json(&order), json);
    assert_eq!(from_json::<Order>(&json).unwrap(), order);
}
