//! The messages, of proto3 package `greeter`; their field names in JSON follow from the names here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Nothing.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
#[message(prost)]
pub struct Empty {}

/// Whom to greet.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct HelloRequest {
    /// Any text.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A greeting.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct HelloReply {
    /// `Hello ` and the name.
    #[prost(string, tag = "1")]
    pub msg: String,
}

/// How to fail.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct FailRequest {
    /// `bad`, `unauthorized`, `forbidden`, `notfound`, `conflict`, `internal`, `plain`, `newline`, or empty to
    /// go well.
    #[prost(string, tag = "1")]
    pub kind: String,
}

/// What came with a call.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct EchoReply {
    /// All metadata.
    #[prost(btree_map = "string, string", tag = "1")]
    pub metadata: BTreeMap<String, String>,
    /// Milliseconds left; 0 without a deadline.
    #[prost(int32, tag = "2")]
    pub timeout: i32,
}

/// How long to wait.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct Sleep {
    /// Milliseconds.
    #[prost(int32, tag = "1")]
    pub ms: i32,
}

/// Every kind of field.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct Types {
    /// A name of two words.
    #[prost(string, tag = "1")]
    pub full_name: String,
    /// More than a double holds.
    #[prost(int64, tag = "2")]
    pub big: i64,
    /// An enumeration.
    #[prost(enumeration = "Color", tag = "3")]
    pub color: i32,
    /// Bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
    /// A list.
    #[prost(string, repeated, tag = "5")]
    pub tags: Vec<String>,
    /// A map.
    #[prost(btree_map = "string, int32", tag = "6")]
    pub counts: BTreeMap<String, i32>,
    /// A boolean.
    #[prost(bool, tag = "7")]
    pub ok: bool,
    /// A fraction.
    #[prost(double, tag = "8")]
    pub ratio: f64,
    /// A message within.
    #[prost(message, optional, tag = "9")]
    pub nothing: Option<Empty>,
}

/// A colour.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration, micro::Message,
)]
#[message(prost)]
pub enum Color {
    /// Red.
    Red = 0,
    /// Green.
    Green = 1,
    /// Blue.
    Blue = 2,
}

/// How far to count.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct CountRequest {
    /// The last number.
    #[prost(int32, tag = "1")]
    pub to: i32,
    /// An error after it, as of [`FailRequest`].
    #[prost(string, tag = "2")]
    pub fail: String,
    /// Without a pause between the numbers.
    #[prost(bool, tag = "3")]
    pub burst: bool,
}

/// A number.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct CountReply {
    /// From 1 on.
    #[prost(int32, tag = "1")]
    pub n: i32,
}

/// A line of a conversation.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct Chat {
    /// What is said.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// An event.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct Event {
    /// Tells it from others.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The events that came.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct EventsReply {
    /// Their names, in their order.
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
    /// The metadata of the last one.
    #[prost(btree_map = "string, string", tag = "2")]
    pub metadata: BTreeMap<String, String>,
}

/// An event to publish.
#[derive(Clone, PartialEq, prost::Message, micro::Message)]
pub struct PublishRequest {
    /// Where.
    #[prost(string, tag = "1")]
    pub topic: String,
    /// Which.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// What Go calls an ordinary struct: JSON only, its lists and maps `null` when they are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, micro::Message)]
#[serde(default)]
pub struct Plain {
    /// A name of two words.
    pub full_name: String,
    /// More than a double holds.
    pub big: i64,
    /// Bytes in Base64.
    pub data: Option<String>,
    /// A list.
    pub tags: Option<Vec<String>>,
    /// One within; not written where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<Inner>,
    /// A map.
    pub labels: Option<BTreeMap<String, String>>,
    /// A field without a name for JSON.
    #[serde(rename = "NoTag")]
    pub no_tag: bool,
}

/// The innermost of a [`Plain`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, micro::Message)]
#[serde(default)]
pub struct Inner {
    /// A name of two words.
    pub full_name: String,
    /// More than a double holds.
    pub big: i64,
    /// Bytes in Base64.
    pub data: Option<String>,
    /// A list.
    pub tags: Option<Vec<String>>,
    /// A map.
    pub labels: Option<BTreeMap<String, String>>,
    /// A field without a name for JSON.
    #[serde(rename = "NoTag")]
    pub no_tag: bool,
}
