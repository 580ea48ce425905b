use std::collections::HashMap;

use micro::{Message, registry::Value};
use serde::{Deserialize, Serialize};

/// A tree in a line: `name: type { fields }`.
pub(super) fn text(value: &Value) -> String {
    let mut text = format!("{}: {}", value.name, value.kind);
    if !value.values.is_empty() {
        let inner: Vec<_> = value.values.iter().map(self::text).collect();
        text += &format!(" {{ {} }}", inner.join(", "));
    }
    text
}

/// A type that serde knows and Micro does not.
#[derive(Serialize, Deserialize)]
struct Foreign(u8);

#[derive(Serialize, Deserialize, micro::Message)]
#[serde(rename_all = "camelCase")]
struct Everything {
    is_true: bool,
    small_number: u8,
    big_number: i64,
    real: f32,
    letter: char,
    maybe: Option<String>,
    #[serde(default)]
    defaulted: u32,
    #[serde(rename = "type")]
    kind: String,
    r#match: (),
    #[serde(skip)]
    _skipped: u8,
    #[serde(with = "text_form")]
    written_otherwise: u16,
    names: Vec<String>,
    ages: HashMap<String, u32>,
    bytes: bytes::Bytes,
    boxed: Box<Id>,
    foreign: Foreign,
    foreigners: Vec<Option<Foreign>>,
    any: serde_json::Value,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, micro::Message)]
struct Id(u64);

#[derive(Serialize, Deserialize, micro::Message)]
struct Rest {
    left: String,
    #[serde(default)]
    right: Vec<Id>,
}

mod text_form {
    pub(super) fn serialize<S: serde::Serializer>(number: &u16, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
        let text: String = serde::Deserialize::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[test]
fn tree_follows_serdes_attributes() {
    assert_eq!(
        text(&Everything::schema()),
        "Everything: object { isTrue: bool, smallNumber: u8, bigNumber: i64, real: f32, letter: string, \
         maybe: string?, defaulted: u32?, type: string, match: object, writtenOtherwise: any, \
         names: []string { string: string }, ages: map { u32: u32 }, bytes: bytes, boxed: u64, foreign: any, \
         foreigners: []any { any: any? }, any: any, left: string, right: []u64? { u64: u64 } }"
    );
}

#[derive(Serialize, Deserialize, micro::Message)]
struct Tree {
    name: String,
    children: Vec<Tree>,
}

#[derive(Serialize, Deserialize, micro::Message)]
struct Endless(Vec<Endless>);

#[test]
fn types_that_contain_themselves_come_to_an_end() {
    assert_eq!(
        text(&Tree::schema()),
        "Tree: object { name: string, children: []object { Tree: object { name: string, children: []object { Tree: object } } } }"
    );
    assert!(text(&Endless::schema()).contains("any: any"));
}

#[derive(Serialize, Deserialize, micro::Message)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Shape {
    Nothing,
    Circle(f64),
    RightAngled { side_a: f64, side_b: f64 },
}

#[derive(Serialize, Deserialize, micro::Message)]
#[serde(tag = "kind")]
enum Tagged {
    A { x: u8 },
    B,
}

#[test]
fn enum_lists_its_variants() {
    assert_eq!(
        text(&Shape::schema()),
        "Shape: enum { nothing: string, circle: f64, right_angled: object { sideA: f64, sideB: f64 } }"
    );
    assert_eq!(text(&Tagged::schema()), "any: any");
}

#[derive(Serialize, Deserialize, micro::Message)]
struct Page<T> {
    items: Vec<T>,
}

#[test]
fn parameters_and_containers_are_seen_through() {
    assert_eq!(
        text(&Page::<Id>::schema()),
        "Page: object { items: []u64 { u64: u64 } }"
    );
    assert_eq!(text(&Vec::<Id>::schema()), "[]u64: []u64 { u64: u64 }");
    assert_eq!(text(&Option::<String>::schema()), "string: string?");
    assert_eq!(
        text(&HashMap::<String, bool>::schema()),
        "map: map { bool: bool }"
    );
    assert_eq!(text(&<()>::schema()), "(): object");
}
