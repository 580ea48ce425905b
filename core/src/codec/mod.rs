//! Messages as bytes: the [`Message`] trait, which `#[derive(micro::Message)]` implements, and codecs by content type.

#[cfg(feature = "bson")]
mod bson;
mod buffer;
#[cfg(feature = "cbor")]
mod cbor;
mod channel;
#[cfg(feature = "test-util")]
pub mod contract;
mod depth;
#[doc(hidden)]
pub mod derived;
mod json;
mod msgpack;
mod nonfinite;
mod optional;
mod payload;
#[doc(hidden)]
pub mod proto;
mod raw;
mod reply;
mod schema;
mod standard;
mod streaming;
mod structured;
#[cfg(feature = "http")]
#[allow(dead_code, reason = "its users come with each protocol")]
pub(crate) mod transcode;
mod wrong;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

pub use payload::Payload;
pub use reply::Reply;
pub use streaming::{Sender, Streaming};
pub(crate) use wrong::in_answer;

use crate::{
    error::{Error, Result},
    message::ContentType,
    node::Value,
};

/// A message: a type with codecs, a schema and a JSON form. [Derive](macro@crate::Message) it.
///
/// The standard library's types need no derive: strings, numbers, lists and maps of messages, and `()` for
/// an empty message. [`Bytes`] and `Vec<u8>` are raw bytes with any content type;
/// `serde_json::Value` is for calls without types.
///
/// ```
/// use micro::{Codecs, ContentType, Message};
///
/// let codecs = Codecs::default();
/// let words = vec!["hello".to_string()];
/// let bytes = words.encode(&ContentType::Json, &codecs)?;
/// assert_eq!(bytes, r#"["hello"]"#);
/// assert_eq!(Vec::<String>::decode(&ContentType::Json, &codecs, bytes)?, words);
/// assert_eq!(<Vec<String> as Message>::schema().kind, "[]string");
/// # Ok::<(), micro::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Micro message",
    label = "this type cannot be sent or received",
    note = "add `#[derive(micro::Message)]` beside serde's `Serialize, Deserialize`, or beside `prost::Message`"
)]
pub trait Message: Sized + Send + 'static {
    /// The default content type.
    fn content_type() -> ContentType;

    /// Encodes the message. Fails if neither this type nor `codecs` supports the content type.
    fn encode(&self, content_type: &ContentType, codecs: &Codecs) -> Result<Bytes>;

    /// Decodes a message; the `InvalidArgument` says where it is malformed.
    fn decode(content_type: &ContentType, codecs: &Codecs, bytes: Bytes) -> Result<Self>;

    /// The schema.
    fn schema() -> Value;
}

/// A codec of the user's, chosen by content type.
///
/// The built-in codecs do not implement this trait: they are compiled into each message. These are JSON, MessagePack,
/// Protobuf, raw bytes, and with the features `cbor` and `bson` CBOR and BSON.
///
/// ```
/// use micro::{Codec, Codecs, ContentType, Error, Message, Result};
///
/// /// JSON that people can read.
/// struct Pretty;
///
/// impl Codec for Pretty {
///     fn content_type(&self) -> &str {
///         "application/pretty+json"
///     }
///
///     fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
///         serde_json::to_vec_pretty(value).map_err(|error| Error::internal(error.to_string()))
///     }
///
///     fn decode(
///         &self,
///         bytes: &[u8],
///         read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
///     ) -> Result<()> {
///         let mut json = serde_json::Deserializer::from_slice(bytes);
///         read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))
///     }
/// }
///
/// let codecs = Codecs::default().with(Pretty);
/// let pretty = ContentType::parse("application/pretty+json");
/// assert_eq!(vec![1i32].encode(&pretty, &codecs)?, "[\n  1\n]");
/// # Ok::<(), Error>(())
/// ```
pub trait Codec: Send + Sync + 'static {
    /// The media type, in lower case, such as `application/cbor`.
    fn content_type(&self) -> &str;

    /// Encodes a value.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>>;

    /// Passes a deserializer over `bytes` to `read`.
    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()>;
}

impl<C: Codec + ?Sized> Codec for Arc<C> {
    fn content_type(&self) -> &str {
        (**self).content_type()
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        (**self).encode(value)
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()> {
        (**self).decode(bytes, read)
    }
}

/// The user's codecs by content type; cheap to clone.
#[derive(Clone, Default)]
pub struct Codecs(Option<Arc<ByName>>);

type ByName = HashMap<Arc<str>, Arc<dyn Codec>>;

impl Codecs {
    /// Adds a codec.
    pub fn with(self, codec: impl Codec) -> Self {
        let mut all = self.0.map(|all| (*all).clone()).unwrap_or_default();
        all.insert(codec.content_type().into(), Arc::new(codec));
        Codecs(Some(Arc::new(all)))
    }

    /// Returns the codec of a content type, or an error that names the content type and the remedy.
    pub fn get(&self, content_type: &ContentType) -> Result<&dyn Codec> {
        self.find(content_type)
            .ok_or_else(|| Codecs::unknown(content_type))
    }

    #[cold]
    fn unknown(content_type: &ContentType) -> Error {
        let remedy = match content_type.as_str() {
            "application/bson" => "enable the `bson` feature",
            "application/cbor" => "enable the `cbor` feature",
            _ => "add its codec with `codec(…)`",
        };
        Error::unimplemented(format!(
            "content type `{content_type}` is not known here; {remedy}"
        ))
    }

    fn find(&self, content_type: &ContentType) -> Option<&dyn Codec> {
        let codec = self.0.as_ref()?.get(content_type.as_str())?;
        Some(&**codec)
    }
}
