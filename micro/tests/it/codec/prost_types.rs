use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use micro::{Code, ContentType, Message};
use serde_json::{Value, json};

use super::{decode, encode, schema::text};

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Scalars {
    #[prost(double, tag = "1")]
    a_double: f64,
    #[prost(float, tag = "2")]
    a_float: f32,
    #[prost(int32, tag = "3")]
    an_int32: i32,
    #[prost(int64, tag = "4")]
    an_int64: i64,
    #[prost(uint32, tag = "5")]
    an_uint32: u32,
    #[prost(uint64, tag = "6")]
    an_uint64: u64,
    #[prost(sint32, tag = "7")]
    a_sint32: i32,
    #[prost(sint64, tag = "8")]
    a_sint64: i64,
    #[prost(fixed32, tag = "9")]
    a_fixed32: u32,
    #[prost(fixed64, tag = "10")]
    a_fixed64: u64,
    #[prost(sfixed32, tag = "11")]
    a_sfixed32: i32,
    #[prost(sfixed64, tag = "12")]
    a_sfixed64: i64,
    #[prost(bool, tag = "13")]
    a_bool: bool,
    #[prost(string, tag = "14")]
    a_string: String,
    #[prost(bytes = "vec", tag = "15")]
    a_vec: Vec<u8>,
    #[prost(bytes = "bytes", tag = "16")]
    some_bytes: Bytes,
    #[prost(string, tag = "17")]
    r#type: String,
}

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Shapes {
    #[prost(int64, repeated, tag = "1")]
    numbers: Vec<i64>,
    #[prost(string, optional, tag = "2")]
    maybe_text: Option<String>,
    #[prost(message, optional, tag = "3")]
    nested: Option<Name>,
    #[prost(message, repeated, tag = "4")]
    many: Vec<Name>,
    #[prost(message, optional, boxed, tag = "5")]
    deeper: Option<Box<Shapes>>,
    #[prost(map = "string, int64", tag = "6")]
    by_text: HashMap<String, i64>,
    #[prost(btree_map = "int32, message", tag = "7")]
    by_number: BTreeMap<i32, Name>,
    #[prost(btree_map = "bool, enumeration(Colour)", tag = "8")]
    by_bool: BTreeMap<bool, i32>,
    #[prost(enumeration = "Colour", tag = "9")]
    colour: i32,
    #[prost(enumeration = "Colour", repeated, tag = "10")]
    colours: Vec<i32>,
    #[prost(enumeration = "generated::Size", optional, tag = "11")]
    size: Option<i32>,
    #[prost(enumeration = "Nameless", tag = "12")]
    nameless: i32,
    #[prost(oneof = "Pick", tags = "13, 14, 15, 16")]
    pick: Option<Pick>,
    #[prost(message, required, tag = "17")]
    required: Name,
    #[prost(bytes = "vec", repeated, tag = "18")]
    blobs: Vec<Vec<u8>>,
    #[prost(double, repeated, tag = "19")]
    #[message(name = "reals")]
    doubles: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Message, micro::Message)]
struct Name {
    #[prost(string, tag = "1")]
    first_name: String,
}

#[derive(Clone, PartialEq, prost::Oneof, micro::Message)]
enum Pick {
    #[prost(string, tag = "13")]
    Text(String),
    #[prost(int64, tag = "14")]
    BigNumber(i64),
    #[prost(message, tag = "15")]
    Person(Name),
    #[prost(enumeration = "Colour", tag = "16")]
    Paint(i32),
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, micro::Message,
)]
#[message(prost)]
#[repr(i32)]
enum Colour {
    Unspecified = 0,
    DarkRed = 1,
    #[message(name = "COLOUR_BLUE")]
    Blue = 2,
}

/// As prost's generator writes it.
mod generated {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
    #[repr(i32)]
    pub(super) enum Size {
        Small = 0,
        Large = 1,
    }

    impl Size {
        pub(super) fn as_str_name(&self) -> &'static str {
            match self {
                Size::Small => "SIZE_SMALL",
                Size::Large => "SIZE_LARGE",
            }
        }

        pub(super) fn from_str_name(name: &str) -> Option<Self> {
            [Size::Small, Size::Large]
                .into_iter()
                .find(|size| size.as_str_name() == name)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Nameless {
    Zero = 0,
    One = 1,
}

#[derive(Clone, Copy, PartialEq, prost::Message, micro::Message)]
#[message(prost)]
struct Empty {}

fn scalars() -> Scalars {
    Scalars {
        a_double: 1.5,
        a_float: -0.25,
        an_int32: i32::MIN,
        an_int64: i64::MIN,
        an_uint32: u32::MAX,
        an_uint64: u64::MAX,
        a_sint32: -1,
        a_sint64: -2,
        a_fixed32: 3,
        a_fixed64: 4,
        a_sfixed32: -5,
        a_sfixed64: -6,
        a_bool: true,
        a_string: "text".into(),
        a_vec: vec![0xfb, 0xff],
        some_bytes: Bytes::from_static(b"foo"),
        r#type: "keyword".into(),
    }
}

fn scalars_json() -> Value {
    json!({
        "aDouble": 1.5, "aFloat": -0.25, "anInt32": i32::MIN, "anInt64": "-9223372036854775808",
        "anUint32": u32::MAX, "anUint64": "18446744073709551615", "aSint32": -1, "aSint64": "-2",
        "aFixed32": 3, "aFixed64": "4", "aSfixed32": -5, "aSfixed64": "-6", "aBool": true,
        "aString": "text", "aVec": "+/8=", "someBytes": "Zm9v", "type": "keyword"
    })
}

fn name(first_name: &str) -> Name {
    Name {
        first_name: first_name.into(),
    }
}

fn shapes() -> Shapes {
    Shapes {
        numbers: vec![1, -2],
        maybe_text: Some(String::new()),
        nested: Some(name("")),
        many: vec![name("a"), name("b")],
        deeper: Some(Box::new(Shapes {
            colour: 7,
            ..Shapes::default()
        })),
        by_text: HashMap::from([("key".into(), 9)]),
        by_number: BTreeMap::from([(-1, name("minus")), (2, name("two"))]),
        by_bool: BTreeMap::from([(true, 1)]),
        colour: 1,
        colours: vec![0, 2, 99],
        size: Some(0),
        nameless: 1,
        pick: Some(Pick::BigNumber(5)),
        required: name("here"),
        blobs: vec![vec![0], vec![]],
        doubles: vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0],
    }
}

fn shapes_json() -> Value {
    json!({
        "numbers": ["1", "-2"], "maybeText": "", "nested": {},
        "many": [{"firstName": "a"}, {"firstName": "b"}],
        "deeper": {"colour": 7, "required": {}},
        "byText": {"key": "9"}, "byNumber": {"-1": {"firstName": "minus"}, "2": {"firstName": "two"}},
        "byBool": {"true": "DARK_RED"}, "colour": "DARK_RED", "colours": ["UNSPECIFIED", "COLOUR_BLUE", 99],
        "size": "SIZE_SMALL", "nameless": 1, "bigNumber": "5", "required": {"firstName": "here"},
        "blobs": ["AA==", ""], "reals": ["NaN", "Infinity", "-Infinity", 2.0]
    })
}

fn to_json(message: &impl Message) -> Value {
    serde_json::from_slice(&encode(message, ContentType::Json)).unwrap()
}

fn from_json<T: Message>(value: Value) -> micro::Result<T> {
    decode(ContentType::Json, value.to_string())
}

#[test]
fn scalars_are_written_and_read_in_protobufs_json_form() {
    assert_eq!(to_json(&scalars()), scalars_json());
    assert_eq!(from_json::<Scalars>(scalars_json()).unwrap(), scalars());
}

#[test]
fn lists_maps_enumerations_and_oneofs_have_protobufs_json_form() {
    assert_eq!(to_json(&shapes()), shapes_json());
    // NaN is not equal to itself, so compare what is written.
    assert_eq!(
        to_json(&from_json::<Shapes>(shapes_json()).unwrap()),
        shapes_json()
    );
}

#[test]
fn each_variant_of_a_oneof_stands_under_its_own_name() {
    for (pick, json) in [
        (Pick::Text(String::new()), json!({"text": ""})),
        (
            Pick::Person(name("x")),
            json!({"person": {"firstName": "x"}}),
        ),
        (Pick::Paint(0), json!({"paint": "UNSPECIFIED"})),
    ] {
        let shapes = Shapes {
            pick: Some(pick),
            ..Shapes::default()
        };
        let mut expected = json;
        expected["required"] = json!({});
        assert_eq!(to_json(&shapes), expected);
        assert_eq!(from_json::<Shapes>(expected).unwrap(), shapes);
    }
}

#[test]
fn defaults_are_not_written_and_nulls_are_defaults() {
    assert_eq!(to_json(&Scalars::default()), json!({}));
    assert_eq!(
        to_json(&Scalars {
            a_double: -0.0,
            ..Scalars::default()
        }),
        json!({"aDouble": -0.0})
    );
    let nulls: serde_json::Map<_, _> = scalars_json()
        .as_object()
        .unwrap()
        .keys()
        .map(|name| (name.clone(), Value::Null))
        .collect();
    assert_eq!(
        from_json::<Scalars>(nulls.into()).unwrap(),
        Scalars::default()
    );
    let nulls =
        json!({"numbers": null, "maybeText": null, "byText": null, "text": null, "required": null});
    assert_eq!(from_json::<Shapes>(nulls).unwrap(), Shapes::default());
}

#[test]
fn both_spellings_of_a_name_are_read_and_unknown_names_skipped() {
    let message: Shapes = from_json(json!({
        "maybe_text": "a", "by_text": {"k": 1}, "big_number": 6, "doubles": [1], "unknown": {"x": [1]}
    }))
    .unwrap();
    assert_eq!(message.maybe_text.as_deref(), Some("a"));
    assert_eq!(message.by_text["k"], 1);
    assert_eq!(message.pick, Some(Pick::BigNumber(6)));
    assert_eq!(message.doubles, [1.0]);
}

#[test]
fn numbers_are_read_as_numbers_and_as_strings() {
    for json in [
        json!({"anInt64": 12, "anInt32": "12", "aDouble": "12", "anUint64": "12"}),
        json!({"anInt64": "12", "anInt32": 12.0, "aDouble": 12, "anUint64": "1.2e1"}),
    ] {
        let message: Scalars = from_json(json).unwrap();
        assert_eq!(
            (
                message.an_int64,
                message.an_int32,
                message.a_double,
                message.an_uint64
            ),
            (12, 12, 12.0, 12)
        );
    }
    let edges =
        json!({"anInt32": 2147483647.0, "anUint32": "4294967295", "anInt64": i64::MIN as f64});
    let message: Scalars = from_json(edges).unwrap();
    assert_eq!(
        (message.an_int32, message.an_uint32, message.an_int64),
        (i32::MAX, u32::MAX, i64::MIN)
    );
}

#[test]
fn what_does_not_fit_is_an_error_that_names_the_field() {
    for (json, text) in [
        (
            json!({"anInt32": 1u64 << 31}),
            "field `anInt32`: `2147483648` is not in the range of i32",
        ),
        (
            json!({"anInt32": 2147483648.0}),
            "field `anInt32`: `2147483648` is not in the range of i32",
        ),
        (
            json!({"anUint64": 18446744073709551616.0}),
            "field `anUint64`: `18446744073709552000` is not in the range of u64",
        ),
        (
            json!({"anUint32": -1}),
            "field `anUint32`: `-1` is not in the range of u32",
        ),
        (
            json!({"anInt64": 1.5}),
            "field `anInt64`: `1.5` is not in the range of i64",
        ),
        (
            json!({"anInt64": "x"}),
            "field `anInt64`: `x` is not in the range of i64",
        ),
        (json!({"aFloat": 1e300}), "field `aFloat`: `1000"),
        (
            json!({"aDouble": "inf"}),
            "field `aDouble`: `inf` is not a number",
        ),
        (
            json!({"aVec": "*"}),
            "field `aVec`: these bytes are not in Base64",
        ),
        (
            json!({"aString": 1}),
            "field `aString`: invalid type: integer `1`, expected a string",
        ),
    ] {
        let error = from_json::<Scalars>(json).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(text), "{error}");
        assert!(error.message().contains("line 1"), "{error}");
    }
    for (json, text) in [
        (
            json!({"nested": {"firstName": 1}}),
            "field `nested`: field `firstName`: invalid type",
        ),
        (
            json!({"byNumber": {"x": {}}}),
            "field `byNumber`: `x` is not a key of this map",
        ),
        (
            json!({"byText": {"k": true}}),
            "field `byText`: key `k`: invalid type",
        ),
        (
            json!({"colour": "PINK"}),
            "field `colour`: `PINK` is no value of this enumeration",
        ),
    ] {
        let error = from_json::<Shapes>(json).unwrap_err();
        assert!(error.message().contains(text), "{error}");
    }
}

#[test]
fn enumerations_are_read_by_name_and_by_number() {
    for json in [
        json!({"colour": "COLOUR_BLUE"}),
        json!({"colour": 2}),
        json!({"colour": "2"}),
        json!({"colour": 2.0}),
    ] {
        assert_eq!(from_json::<Shapes>(json).unwrap().colour, 2);
    }
    assert_eq!(
        from_json::<Shapes>(json!({"size": "SIZE_LARGE"}))
            .unwrap()
            .size,
        Some(1)
    );
}

#[test]
fn prost_type_goes_as_protobuf_and_survives_messagepack() {
    assert_eq!(Scalars::content_type(), ContentType::Protobuf);
    let protobuf = encode(&scalars(), ContentType::Protobuf);
    assert_eq!(protobuf, prost::Message::encode_to_vec(&scalars()));
    assert_eq!(
        decode::<Scalars>(ContentType::Protobuf, protobuf).unwrap(),
        scalars()
    );

    let msgpack = encode(&scalars(), ContentType::MsgPack);
    assert_eq!(
        decode::<Scalars>(ContentType::MsgPack, msgpack).unwrap(),
        scalars()
    );
    let msgpack = encode(&shapes(), ContentType::MsgPack);
    assert_eq!(
        to_json(&decode::<Shapes>(ContentType::MsgPack, msgpack).unwrap()),
        shapes_json()
    );
}

#[test]
fn bytes_and_long_integers_go_as_they_are_in_messagepack() {
    let message = Scalars {
        an_int64: 5,
        some_bytes: Bytes::from_static(b"foo"),
        ..Scalars::default()
    };
    assert_eq!(
        &encode(&message, ContentType::MsgPack)[..],
        b"\x82\xa7anInt64\x05\xa9someBytes\xc4\x03foo"
    );
}

#[test]
fn wrong_protobuf_is_an_invalid_argument() {
    let error = decode::<Name>(ContentType::Protobuf, &b"\x0a\x01\xff"[..]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(
        error
            .message()
            .starts_with("cannot read `Name` from application/protobuf"),
        "{error}"
    );
    assert!(error.message().contains("first_name"), "{error}");
}

#[test]
fn message_without_fields_is_one_when_it_says_so() {
    assert_eq!(Empty::content_type(), ContentType::Protobuf);
    assert_eq!(to_json(&Empty {}), json!({}));
    assert_eq!(from_json::<Empty>(json!({"later": 1})).unwrap(), Empty {});
}

#[test]
fn tree_of_a_prost_type_bears_its_json_names() {
    assert_eq!(
        text(&Shapes::schema()),
        "Shapes: object { numbers: []i64? { i64: i64 }, maybeText: string?, \
         nested: object? { firstName: string? }, many: []object? { Name: object { firstName: string? } }, \
         deeper: object? { DEEPER }, byText: map? { i64: i64 }, \
         byNumber: map? { Name: object { firstName: string? } }, \
         byBool: map? { Colour: enum { COLOURS } }, colour: enum? { COLOURS }, \
         colours: []enum? { Colour: enum { COLOURS } }, size: i32?, nameless: i32?, \
         text: string?, bigNumber: i64?, person: object? { firstName: string? }, paint: enum? { COLOURS }, \
         required: object { firstName: string? }, blobs: []bytes? { bytes: bytes }, reals: []f64? { f64: f64 } }"
            .replace("COLOURS", "UNSPECIFIED: string, DARK_RED: string, COLOUR_BLUE: string")
            .replace("DEEPER", &text_of_deeper())
    );
}

/// The fields of the message inside the message, a level less deep.
fn text_of_deeper() -> String {
    "numbers: []i64? { i64: i64 }, maybeText: string?, nested: object?, \
     many: []object? { Name: object }, deeper: object?, byText: map? { i64: i64 }, \
     byNumber: map? { Name: object }, byBool: map? { Colour: enum { COLOURS } }, \
     colour: enum? { COLOURS }, colours: []enum? { Colour: enum { COLOURS } }, size: i32?, nameless: i32?, \
     text: string?, bigNumber: i64?, person: object?, paint: enum? { COLOURS }, required: object, \
     blobs: []bytes? { bytes: bytes }, reals: []f64? { f64: f64 }"
        .replace("COLOURS", "UNSPECIFIED: string, DARK_RED: string, COLOUR_BLUE: string")
}
