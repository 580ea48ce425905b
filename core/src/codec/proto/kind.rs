//! How a field's value is written and read: kinds that the derive composes of what prost's attributes say.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, SeqAccess, Visitor},
};

use crate::{codec::schema, node::Value};

/// A way to write and read values of type `V`.
pub trait Kind<V> {
    /// Whether JSON's `null` is a value, and not its absence.
    const NULL: bool = false;

    /// Writes a value.
    fn write<S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error>;

    /// Reads a value.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<V, D::Error>;

    /// Whether the value is the one that an absent field has.
    fn is_default(value: &V) -> bool;

    /// The value's tree.
    fn describe(depth: u8) -> Value;
}

/// A value to be written by its kind.
pub(super) struct Written<'a, K, V>(pub(super) &'a V, pub(super) PhantomData<K>);

impl<K: Kind<V>, V> Serialize for Written<'_, K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        K::write(self.0, to)
    }
}

/// A place for a value to be read by its kind.
pub(super) struct Reading<K, V>(PhantomData<(K, V)>);

impl<K, V> Reading<K, V> {
    pub(super) fn new() -> Self {
        Reading(PhantomData)
    }
}

impl<'de, K: Kind<V>, V> DeserializeSeed<'de> for Reading<K, V> {
    type Value = V;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<V, D::Error> {
        K::read(from)
    }
}

/// A value on the heap.
pub struct Boxed<K>(PhantomData<K>);

impl<K: Kind<V>, V> Kind<Box<V>> for Boxed<K> {
    const NULL: bool = K::NULL;

    fn write<S: Serializer>(value: &Box<V>, to: S) -> Result<S::Ok, S::Error> {
        K::write(value, to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Box<V>, D::Error> {
        K::read(from).map(Box::new)
    }

    fn is_default(value: &Box<V>) -> bool {
        K::is_default(value)
    }

    fn describe(depth: u8) -> Value {
        K::describe(depth)
    }
}

/// A value whose absence differs from its default.
pub struct Optional<K>(PhantomData<K>);

impl<K: Kind<V>, V> Kind<Option<V>> for Optional<K> {
    const NULL: bool = K::NULL;

    fn write<S: Serializer>(value: &Option<V>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => K::write(value, to),
            None => to.serialize_none(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<V>, D::Error> {
        K::read(from).map(Some)
    }

    fn is_default(value: &Option<V>) -> bool {
        value.is_none()
    }

    fn describe(depth: u8) -> Value {
        K::describe(depth)
    }
}

/// Several values.
pub struct List<K>(PhantomData<K>);

impl<K: Kind<V>, V> Kind<Vec<V>> for List<K> {
    fn write<S: Serializer>(values: &Vec<V>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            values
                .iter()
                .map(|value| Written::<K, V>(value, PhantomData)),
        )
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<V>, D::Error> {
        struct Items<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Kind<V>, V> Visitor<'de> for Items<K, V> {
            type Value = Vec<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<V>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element_seed(Reading::<K, V>::new())? {
                    values.push(value);
                }
                Ok(values)
            }
        }

        from.deserialize_seq(Items::<K, V>(PhantomData))
    }

    fn is_default(values: &Vec<V>) -> bool {
        values.is_empty()
    }

    fn describe(depth: u8) -> Value {
        schema::list(K::describe(depth))
    }
}
