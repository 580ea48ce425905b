//! Maps: their keys are strings in JSON, whatever they are in Protobuf.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display},
    hash::{BuildHasher, Hash},
    marker::PhantomData,
    str::FromStr,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    codec::{
        proto::kind::{Kind, Reading, Written},
        schema,
    },
    node::Value,
};

/// Values by key.
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
