//! Schemas, as returned by [`Message::schema`](crate::Message::schema).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;

use crate::node::Value;

/// The depth that an object costs. A newtype costs 1, so that a newtype of a number is transparent
/// on the last level, too, while recursive types come to an end.
pub const OBJECT: u8 = 4;

/// Three levels, as in go-micro: the root, its fields, and the fields of those.
const DEPTH: u8 = 3 * OBJECT - 1;

/// A type that can describe its fields; `#[derive(micro::Message)]` implements it.
#[diagnostic::on_unimplemented(
    message = "the fields of `{Self}` are not known to Micro",
    note = "a type parameter of a message must itself have `#[derive(micro::Message)]`"
)]
pub trait Describe {
    /// The schema with the type's name, down to `depth`.
    fn describe(depth: u8) -> Value;
}

/// The whole schema of a type.
pub fn root<T: Describe + ?Sized>() -> Value {
    T::describe(DEPTH)
}

/// An object, whose fields `fill` adds unless the depth is used up.
pub fn object(name: &str, depth: u8, fill: impl FnOnce(u8, &mut Vec<Value>)) -> Value {
    let mut fields = Vec::new();
    if let Some(depth) = depth.checked_sub(OBJECT) {
        fill(depth, &mut fields);
    }
    Value::new(name, "object").with_values(fields)
}

/// The content of a newtype, unless the depth is used up.
pub fn newtype(depth: u8, inner: impl FnOnce(u8) -> Value) -> Value {
    depth.checked_sub(1).map_or_else(any, inner)
}

/// An enum in serde's form: the name of a variant without content, or an object of one entry.
pub fn choice(name: &str, depth: u8, fill: impl FnOnce(u8, &mut Vec<Value>)) -> Value {
    Value {
        kind: "enum".into(),
        ..object(name, depth, fill)
    }
}

/// Adds a field or a variant; `optional` means that it may be missing.
pub fn field(fields: &mut Vec<Value>, name: &str, optional: bool, value: Value) {
    let value = if optional {
        self::optional(value)
    } else {
        value
    };
    fields.push(Value {
        name: name.into(),
        ..value
    });
}

/// Adds the fields of a flattened object.
pub fn flatten(fields: &mut Vec<Value>, value: Value) {
    let optional = value.kind.ends_with('?');
    if value.kind.trim_end_matches('?') == "object" {
        for inner in value.values {
            let name = inner.name.clone();
            field(fields, &name, optional, inner);
        }
    }
}

/// A value that may be missing.
pub fn optional(mut value: Value) -> Value {
    if !value.kind.ends_with('?') {
        value.kind.push('?');
    }
    value
}

/// A list of values.
pub fn list(value: Value) -> Value {
    let kind = format!("[]{}", value.kind.trim_end_matches('?'));
    Value::new(kind.as_str(), kind.as_str()).with_values(vec![value])
}

/// A map to values.
pub fn map(value: Value) -> Value {
    Value::new("map", "map").with_values(vec![value])
}

/// A value of unknown type.
pub fn any() -> Value {
    Value::new("any", "any")
}

/// Bytes.
pub fn bytes() -> Value {
    Value::new("bytes", "bytes")
}

macro_rules! kinds {
    ($($kind:literal: $($type:ty),*;)*) => {$($(
        impl Describe for $type {
            fn describe(_: u8) -> Value {
                Value::new($kind, $kind)
            }
        }
    )*)*};
}

kinds! {
    "string": str, String, char, PathBuf, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr;
    "bool": bool;
    "i8": i8; "i16": i16; "i32": i32; "i64": i64, isize; "i128": i128;
    "u8": u8; "u16": u16; "u32": u32; "u64": u64, usize; "u128": u128;
    "f32": f32; "f64": f64;
    "bytes": Bytes;
    "object": ();
    "any": serde_json::Value;
}

macro_rules! nested {
    ($([$($parameters:ident),*] $type:ty: $shape:path, $inner:ident;)*) => {$(
        impl<$inner: Describe, $($parameters),*> Describe for $type {
            fn describe(depth: u8) -> Value {
                $shape($inner::describe(depth))
            }
        }
    )*};
}

nested! {
    [] Option<T>: optional, T;
    [] Vec<T>: list, T;
    [] VecDeque<T>: list, T;
    [S] HashSet<T, S>: list, T;
    [] BTreeSet<T>: list, T;
    [K, S] HashMap<K, T, S>: map, T;
    [K] BTreeMap<K, T>: map, T;
    [] Box<T>: std::convert::identity, T;
    [] Arc<T>: std::convert::identity, T;
}

/// Describes a type by its schema, and a type without one as `any`.
///
/// The derive writes `(&Probe::<T>::new()).describe(depth)` with both traits below in scope: a method
/// for `&self` is found before one for `&&self`, so the second serves only types that the first does not.
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Probe<T> {
    /// A probe of `T`.
    #[expect(clippy::new_without_default, reason = "only derived code makes one")]
    pub fn new() -> Self {
        Probe(PhantomData)
    }
}

/// Types that describe themselves.
pub trait Known {
    /// The type's own tree.
    fn describe(&self, depth: u8) -> Value;
}

impl<T: Describe + ?Sized> Known for Probe<T> {
    fn describe(&self, depth: u8) -> Value {
        T::describe(depth)
    }
}

/// All other types.
pub trait Foreign {
    /// `any`.
    fn describe(&self, depth: u8) -> Value;
}

impl<T: ?Sized> Foreign for &Probe<T> {
    fn describe(&self, _: u8) -> Value {
        any()
    }
}
