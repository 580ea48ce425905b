//! How a field's value is written and read: kinds that the derive composes of what prost's attributes say.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display},
    hash::{BuildHasher, Hash},
    marker::PhantomData,
    str::FromStr,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

use crate::{
    codec::schema::{self, Describe},
    registry::Value,
};

/// A way to write and read values of type `V`.
pub trait Kind<V> {
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

/// Another message.
pub struct Nested;

impl<V: Serialize + for<'de> Deserialize<'de> + Describe> Kind<V> for Nested {
    fn write<S: Serializer>(value: &V, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<V, D::Error> {
        V::deserialize(from)
    }

    fn is_default(_: &V) -> bool {
        false
    }

    fn describe(depth: u8) -> Value {
        V::describe(depth)
    }
}

/// A value on the heap.
pub struct Boxed<K>(PhantomData<K>);

impl<K: Kind<V>, V> Kind<Box<V>> for Boxed<K> {
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

/// Values by key; keys are strings in JSON, whatever they are in Protobuf.
pub struct Map<K>(PhantomData<K>);

/// What may be a key: integers, `bool` and `String`.
pub trait Key: Display + FromStr {}

impl<T: Display + FromStr> Key for T {}

/// A key as a string.
struct Shown<'a, Q>(&'a Q);

impl<Q: Display> Serialize for Shown<'_, Q> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self.0)
    }
}

/// A key of a string.
struct Parsed<Q>(Q);

impl<'de, Q: Key> Deserialize<'de> for Parsed<Q> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text<Q>(PhantomData<Q>);

        impl<Q: Key> Visitor<'_> for Text<Q> {
            type Value = Parsed<Q>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Parsed<Q>, E> {
                text.parse()
                    .map(Parsed)
                    .map_err(|_| E::custom(format_args!("`{text}` is not a key of this map")))
            }
        }

        from.deserialize_str(Text(PhantomData))
    }
}

macro_rules! map {
    ([$($bounds:tt)*] $map:ty) => {
        impl<K: Kind<V>, V, $($bounds)*> Kind<$map> for Map<K> {
            fn write<S: Serializer>(map: &$map, to: S) -> Result<S::Ok, S::Error> {
                to.collect_map(
                    map.iter()
                        .map(|(key, value)| (Shown(key), Written::<K, V>(value, PhantomData))),
                )
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<$map, D::Error> {
                let entries = from.deserialize_map(Entries::<Q, K, V>(PhantomData))?;
                Ok(entries.into_iter().collect())
            }

            fn is_default(map: &$map) -> bool {
                map.is_empty()
            }

            fn describe(depth: u8) -> Value {
                schema::map(K::describe(depth))
            }
        }
    };
}

map!([Q: Key + Eq + Hash, B: BuildHasher + Default] HashMap<Q, V, B>);
map!([Q: Key + Ord] BTreeMap<Q, V>);

struct Entries<Q, K, V>(PhantomData<(Q, K, V)>);

impl<'de, Q: Key, K: Kind<V>, V> Visitor<'de> for Entries<Q, K, V> {
    type Value = Vec<(Q, V)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Parsed(key)) = map.next_key::<Parsed<Q>>()? {
            let value = map
                .next_value_seed(Reading::<K, V>::new())
                .map_err(|error| A::Error::custom(format_args!("key `{key}`: {error}")))?;
            entries.push((key, value));
        }
        Ok(entries)
    }
}
