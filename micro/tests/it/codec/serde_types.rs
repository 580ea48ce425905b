use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use micro::{Code, ContentType, Message};
use serde::{Deserialize, Serialize};

use super::{decode, encode};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Order {
    id: u64,
    customer: Option<String>,
    lines: Vec<Line>,
    state: State,
    note: Note,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Line(String, u32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
enum State {
    Open,
    Shipped { carrier: String },
    Returned(i64),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Note(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Ping;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Page<T>
where
    T: Clone,
{
    items: Vec<T>,
    next: Option<Box<T>>,
}

fn orders() -> Vec<Order> {
    let order = |state| Order {
        id: u64::MAX,
        customer: None,
        lines: vec![Line("tea".into(), 2), Line("biscuits".into(), 0)],
        state,
        note: Note("größer".into()),
    };
    vec![
        order(State::Open),
        order(State::Shipped {
            carrier: "ship".into(),
        }),
        order(State::Returned(-1)),
    ]
}

fn survives<T: Message + PartialEq + std::fmt::Debug>(message: &T) {
    for content_type in [ContentType::MsgPack, ContentType::Json] {
        let bytes = encode(message, content_type.clone());
        assert_eq!(
            decode::<T>(content_type, bytes).as_ref().ok(),
            Some(message)
        );
    }
}

#[test]
fn every_shape_of_type_survives_json_and_messagepack() {
    orders().iter().for_each(survives);
    survives(&Ping);
    survives(&Page {
        items: vec![Note("a".into())],
        next: Some(Box::new(Note("b".into()))),
    });
    survives(&String::from("text"));
    survives(&true);
    survives(&-1.5f64);
    survives(&vec![1u64, 2, 3]);
    survives(&Some(String::from("some")));
    survives(&None::<String>);
    survives(&HashMap::from([(String::from("a"), vec![1i32])]));
    survives(&BTreeMap::from([(1u32, String::from("one"))]));
    survives(&serde_json::json!({"a": [1, null, "x", 1.5]}));
}

#[test]
fn messages_of_any_size_survive() {
    for size in [0, 200, 256, 300, 65_536, 1 << 20] {
        survives(&"x".repeat(size));
    }
}

#[test]
fn serde_types_default_to_messagepack_and_values_to_json() {
    assert_eq!(Order::content_type(), ContentType::MsgPack);
    assert_eq!(
        <Vec<String> as Message>::content_type(),
        ContentType::MsgPack
    );
    assert_eq!(serde_json::Value::content_type(), ContentType::Json);
}

mod version1 {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
    pub(super) struct Hello {
        pub(super) removed: Vec<(u8, String)>,
        pub(super) name: String,
    }
}

mod version2 {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
    pub(super) struct Hello {
        pub(super) title: Option<String>,
        pub(super) name: String,
        #[serde(default)]
        pub(super) removed: Vec<(u8, String)>,
        #[serde(default)]
        pub(super) times: u32,
    }
}

#[test]
fn versions_of_a_message_read_each_other_both_ways() {
    for content_type in [ContentType::MsgPack, ContentType::Json] {
        let old = version1::Hello {
            removed: vec![(1, "one".into())],
            name: "John".into(),
        };
        let read: version2::Hello =
            decode(content_type.clone(), encode(&old, content_type.clone())).unwrap();
        assert_eq!(
            read,
            version2::Hello {
                title: None,
                name: "John".into(),
                removed: vec![(1, "one".into())],
                times: 0
            }
        );

        let new = version2::Hello {
            title: Some("Dr".into()),
            name: "Jane".into(),
            removed: Vec::new(),
            times: 3,
        };
        let read: version1::Hello =
            decode(content_type.clone(), encode(&new, content_type)).unwrap();
        assert_eq!(
            read,
            version1::Hello {
                removed: Vec::new(),
                name: "Jane".into()
            }
        );
    }
}

#[test]
fn messagepack_carries_field_names() {
    let bytes = encode(
        &version1::Hello {
            removed: Vec::new(),
            name: "John".into(),
        },
        ContentType::MsgPack,
    );
    assert_eq!(&bytes[..], b"\x82\xa7removed\x90\xa4name\xa4John");
}

#[test]
fn json_mistake_is_told_with_line_and_column() {
    let error = decode::<Order>(ContentType::Json, "{\n  \"id\": \"x\"}").unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(
        error.message(),
        "cannot read `Order` from application/json: \
         invalid type: string \"x\", expected u64 at line 2 column 11"
    );
}

#[test]
fn missing_field_is_named() {
    for (content_type, bytes) in [
        (ContentType::Json, &b"{}"[..]),
        (ContentType::MsgPack, b"\x80"),
    ] {
        let error = decode::<version1::Hello>(content_type, bytes).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(
            error.message().contains("missing field `removed`"),
            "{error}"
        );
    }
}

#[test]
fn bytes_after_the_message_are_refused() {
    for content_type in [ContentType::Json, ContentType::MsgPack] {
        let mut bytes = encode(&1u64, content_type.clone()).to_vec();
        bytes.push(b'1' + 0x80);
        assert_eq!(
            decode::<u64>(content_type, bytes).unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}

#[test]
fn message_cut_short_anywhere_is_an_error_and_no_panic() {
    for content_type in [ContentType::Json, ContentType::MsgPack] {
        for order in orders() {
            let bytes = encode(&order, content_type.clone());
            for end in 0..bytes.len() {
                let error = decode::<Order>(content_type.clone(), bytes.slice(..end)).unwrap_err();
                assert_eq!(error.code(), Code::InvalidArgument);
            }
        }
    }
}

#[test]
fn serde_type_has_no_protobuf_form_and_says_what_to_use() {
    let error = decode::<Order>(ContentType::Protobuf, "").unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert_eq!(
        error.message(),
        "`Order` has no form in application/protobuf; use application/msgpack or application/json"
    );
}

#[test]
fn raw_bytes_pass_as_they_are_under_every_content_type() {
    for content_type in [
        ContentType::Bytes,
        ContentType::Json,
        ContentType::Protobuf,
        ContentType::parse("image/png"),
    ] {
        let bytes = Bytes::from_static(b"\x00\xff");
        assert_eq!(encode(&bytes, content_type.clone()), bytes);
        assert_eq!(encode(&bytes.to_vec(), content_type.clone()), bytes);
        assert_eq!(
            decode::<Bytes>(content_type.clone(), bytes.clone()).unwrap(),
            bytes
        );
        assert_eq!(
            decode::<Vec<u8>>(content_type, bytes.clone()).unwrap(),
            bytes
        );
    }
}

#[test]
fn nothing_is_read_from_anything() {
    for content_type in [
        ContentType::Json,
        ContentType::MsgPack,
        ContentType::Protobuf,
    ] {
        decode::<()>(content_type.clone(), "{\"any\": 1}").unwrap();
        decode::<()>(content_type.clone(), encode(&(), content_type)).unwrap();
    }
    assert_eq!(encode(&(), ContentType::Json), "{}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
struct Picture {
    pixels: Bytes,
}

#[test]
fn field_of_bytes_is_one_run_of_bytes_in_messagepack() {
    let picture = Picture {
        pixels: vec![200; 65_536].into(),
    };
    let bytes = encode(&picture, ContentType::MsgPack);
    assert_eq!(bytes.len(), 65_536 + 13);
    assert_eq!(
        decode::<Picture>(ContentType::MsgPack, bytes).unwrap(),
        picture
    );
}

mod elsewhere {
    pub(super) use micro as toolkit;
}

#[derive(Debug, PartialEq, Serialize, Deserialize, micro::Message)]
#[message(crate = "elsewhere::toolkit")]
struct Far {
    id: u8,
}

#[test]
fn derive_finds_a_renamed_crate() {
    survives(&Far { id: 1 });
}
