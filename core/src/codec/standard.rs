//! Messages that need no derive: the standard library's types and `serde_json::Value`.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{Codecs, Message, proto, schema, structured},
    error::Result,
    message::ContentType,
    node::Value,
};

/// `encode` and `decode` of a serde type.
macro_rules! by_serde {
    () => {
        #[inline]
        fn encode(&self, content_type: &ContentType, codecs: &Codecs) -> Result<Bytes> {
            structured::encode(self, content_type, codecs)
        }

        #[inline]
        fn decode(content_type: &ContentType, codecs: &Codecs, bytes: Bytes) -> Result<Self> {
            structured::decode(content_type, codecs, bytes)
        }
    };
}

macro_rules! plain {
    ($content_type:ident: $($type:ty),*) => {$(
        impl Message for $type {
            fn content_type() -> ContentType {
                ContentType::$content_type
            }

            by_serde!();

            fn schema() -> Value {
                schema::root::<Self>()
            }
        }
    )*};
}

// Not `u8`: a `Vec` of it is raw bytes.
plain!(MsgPack: char, i8, i16, u16);

/// Types that Protobuf has wrappers for, such as `google.protobuf.StringValue`, and prost plain types.
macro_rules! wrapped {
    ($($type:ty),*) => {$(
        impl Message for $type {
            fn content_type() -> ContentType {
                ContentType::MsgPack
            }

            #[inline]
            fn encode(&self, content_type: &ContentType, codecs: &Codecs) -> Result<Bytes> {
                match content_type {
                    ContentType::Protobuf => Ok(proto::to_bytes(self)),
                    _ => structured::encode(self, content_type, codecs),
                }
            }

            #[inline]
            fn decode(content_type: &ContentType, codecs: &Codecs, bytes: Bytes) -> Result<Self> {
                match content_type {
                    ContentType::Protobuf => proto::from_bytes(bytes),
                    _ => structured::decode(content_type, codecs, bytes),
                }
            }

            fn schema() -> Value {
                schema::root::<Self>()
            }
        }
    )*};
}

wrapped!(String, bool, i32, i64, u32, u64, f32, f64);

// A caller without types wants to read the response.
plain!(Json: serde_json::Value);

macro_rules! nested {
    ($shape:path, $inner:ident: [$($parameters:tt)*] $type:ty) => {
        impl<$($parameters)*> Message for $type {
            fn content_type() -> ContentType {
                ContentType::MsgPack
            }

            by_serde!();

            fn schema() -> Value {
                $shape($inner::schema())
            }
        }
    };
}

nested!(schema::optional, T: [T: Message + Serialize + DeserializeOwned] Option<T>);
nested!(schema::list, T: [T: Message + Serialize + DeserializeOwned] Vec<T>);
nested!(std::convert::identity, T: [T: Message + Serialize + DeserializeOwned] Box<T>);
nested!(schema::map, T: [
    K: Serialize + DeserializeOwned + Eq + Hash + Send + 'static,
    T: Message + Serialize + DeserializeOwned,
    S: BuildHasher + Default + Send + 'static
] HashMap<K, T, S>);
nested!(schema::map, T: [
    K: Serialize + DeserializeOwned + Ord + Send + 'static,
    T: Message + Serialize + DeserializeOwned
] BTreeMap<K, T>);
