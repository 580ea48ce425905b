//! Messages that contain themselves, and how deep.

use bytes::Bytes;
use micro::{Code, Codecs, ContentType, Message};
use prost_types::Any;
use serde_json::{Value, json};

use crate::{
    golden::{
        groups::{Outer, outer},
        recursive::{Expr, FieldRules, Rel, Tree, expr},
    },
    json::{from_json, to_json},
};

fn survives<T: Message>(json: Value) {
    let message: T = from_json(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(to_json(&message), json);
    for content_type in [ContentType::Protobuf, ContentType::MsgPack] {
        let bytes = message.encode(&content_type, &Codecs::default()).unwrap();
        let again = T::decode(&content_type, &Codecs::default(), bytes).unwrap();
        assert_eq!(to_json(&again), json, "{content_type}");
    }
    assert_eq!(T::schema().kind, "object");
}

#[test]
fn recursive_messages_survive_every_content_type() {
    survives::<Expr>(json!({"not": {"not": {"number": "1"}}}));
    survives::<Expr>(json!({"and": {"left": {"number": "1"}, "right": {"named": "KIND_OTHER"}}}));
    survives::<Expr>(json!({"list": {"items": [{"not": {}}], "named": {"a": {"null": null}}}}));
    survives::<FieldRules>(json!({
        "required": true,
        "repeated": {"minItems": "1", "items": {"map": {"keys": {}, "values": {"kind": "TYPE_BOOL"}}}},
    }));
    survives::<Rel>(json!({"join": {
        "left": {"filter": {
            "input": {"read": {"table": "t"}},
            "condition": {"subquery": {"negated": {"field": "f"}}},
        }},
        "right": {"read": {"filter": {"subquery": {"scalar": {"read": {}}}}}},
    }}));
    survives::<Tree>(json!({"next": {"other": {"next": {}}}}));
    survives::<Outer>(json!({
        "inner": {"outer": {"text": "t"}}, "mode": "STARTED", "chosen": {"chosenOuter": {}},
    }));
    assert_eq!(Outer::default().mode(), outer::Mode::Started);
}

/// `not` around a number, so many times, as JSON.
fn json_of(depth: usize) -> Bytes {
    let text = "{\"not\":".repeat(depth) + "{\"number\":1}" + &"}".repeat(depth);
    text.into()
}

fn protobuf_of(depth: usize) -> Bytes {
    // From the inside out, as a message of Rust could not be made so deep.
    let mut backwards: Vec<u8> = vec![1, 8];
    for _ in 0..depth {
        let mut length = Vec::new();
        prost::encoding::encode_varint(backwards.len() as u64, &mut length);
        backwards.extend(length.iter().rev());
        backwards.push(0x12);
    }
    backwards.reverse();
    backwards.into()
}

#[test]
fn message_deeper_than_protobuf_allows_is_refused() {
    let read = |content_type, bytes| Expr::decode(&content_type, &Codecs::default(), bytes);
    for content_type in [ContentType::Json, ContentType::GoJson] {
        read(content_type.clone(), json_of(99)).unwrap();
        for depth in [100, 101, 120, 100_000] {
            let error = read(content_type.clone(), json_of(depth)).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{depth}");
            assert!(error.message().contains("limit of 100"), "{error}");
        }
    }
    read(ContentType::Protobuf, protobuf_of(100)).unwrap();
    for depth in [101, 100_000] {
        let error = read(ContentType::Protobuf, protobuf_of(depth)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{depth}");
    }
    let packed = |depth: usize| {
        let mut bytes = [&[0x81, 0xa3][..], b"not"].concat().repeat(depth);
        bytes.extend([&[0x81, 0xa6][..], b"number", &[1]].concat());
        bytes.into()
    };
    read(ContentType::MsgPack, packed(99)).unwrap();
    let error = read(ContentType::MsgPack, packed(100_000)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn value_deeper_than_protobuf_allows_is_refused() {
    let value = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let read = |depth| {
        let bytes = Bytes::from(value(depth));
        prost_types::Value::decode(&ContentType::Json, &Codecs::default(), bytes)
    };
    read(100).unwrap();
    assert_eq!(read(101).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(read(100_000).unwrap_err().code(), Code::InvalidArgument);
}

fn nested_any(depth: usize) -> Any {
    let mut any = Any {
        type_url: "type.googleapis.com/google.protobuf.Duration".into(),
        value: prost::Message::encode_to_vec(&prost_types::Duration::default()),
    };
    for _ in 0..depth {
        any = Any {
            type_url: "type.googleapis.com/google.protobuf.Any".into(),
            value: prost::Message::encode_to_vec(&any),
        };
    }
    any
}

#[test]
fn any_within_any_has_the_form_of_its_type() {
    let json = json!({
        "@type": "type.googleapis.com/google.protobuf.Any",
        "value": {
            "@type": "type.googleapis.com/google.protobuf.Any",
            "value": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "0s"},
        },
    });
    assert_eq!(to_json(&nested_any(2)), json);
    assert_eq!(from_json::<Any>(&json).unwrap(), nested_any(2));
    let tree = json!({"details": [json]});
    assert_eq!(from_json::<Tree>(&tree).unwrap().details, [nested_any(2)]);
    let unknown = json!({
        "@type": "type.googleapis.com/google.protobuf.Any",
        "value": {"@type": "type.googleapis.com/a.B", "@value": "AA=="},
    });
    assert_eq!(to_json(&from_json::<Any>(&unknown).unwrap()), unknown);
    let empty = json!({"@type": "type.googleapis.com/google.protobuf.Any", "value": {}});
    assert_eq!(to_json(&from_json::<Any>(&empty).unwrap()), empty);
}

#[test]
fn any_in_its_older_form_of_bytes_is_read() {
    let inner = prost::Message::encode_to_vec(&nested_any(0));
    let older = json!({
        "@type": "type.googleapis.com/google.protobuf.Any",
        "@value": micro_base64(&inner),
    });
    assert_eq!(from_json::<Any>(&older).unwrap(), nested_any(1));
}

fn micro_base64(bytes: &[u8]) -> String {
    let wrapped = crate::golden::everything::All {
        some_bytes: bytes.to_vec(),
        ..Default::default()
    };
    to_json(&wrapped)["someBytes"].as_str().unwrap().to_owned()
}

#[test]
fn any_nested_too_deep_is_not_written() {
    let write = |depth| nested_any(depth).encode(&ContentType::Json, &Codecs::default());
    write(90).unwrap();
    let error = write(2000).unwrap_err();
    assert!(
        error.message().contains("deeper than the limit of 100"),
        "{error}"
    );
}

#[test]
fn expression_holds_a_box_in_its_oneof() {
    let inner = Expr {
        kind: Some(expr::KindOneOf::Number(1)),
    };
    let not = Expr {
        kind: Some(expr::KindOneOf::Not(Box::new(inner))),
    };
    assert_eq!(to_json(&not), json!({"not": {"number": "1"}}));
}
