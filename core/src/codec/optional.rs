//! Content types that are not compiled into each message: those of a feature, and those of users' own codecs.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "bson")]
use crate::codec::bson;
#[cfg(feature = "cbor")]
use crate::codec::cbor;
use crate::{
    codec::{Codecs, wrong},
    error::{Error, Result},
    message::ContentType,
};

/// Encodes with the codec of `codecs`, or else with that of a feature.
pub(super) fn encode<T: Serialize>(
    value: &T,
    content_type: &ContentType,
    codecs: &Codecs,
) -> Result<Bytes> {
    match (codecs.find(content_type), content_type.as_str()) {
        (Some(codec), _) => codec.encode(value).map(Bytes::from),
        #[cfg(feature = "bson")]
        (_, bson::NAME) => bson::encode(content_type, value),
        #[cfg(feature = "cbor")]
        (_, cbor::NAME) => cbor::encode(content_type, value),
        (None, _) => Err(Codecs::unknown(content_type)),
    }
}

/// Decodes with the codec of `codecs`, or else with that of a feature.
pub(super) fn decode<T: DeserializeOwned>(
    content_type: &ContentType,
    codecs: &Codecs,
    bytes: &[u8],
) -> Result<T> {
    let codec = match (codecs.find(content_type), content_type.as_str()) {
        (Some(codec), _) => codec,
        #[cfg(feature = "bson")]
        (_, bson::NAME) => return bson::decode(content_type, bytes),
        #[cfg(feature = "cbor")]
        (_, cbor::NAME) => return cbor::decode(content_type, bytes),
        (None, _) => return Err(Codecs::unknown(content_type)),
    };
    let mut value = None;
    codec.decode(bytes, &mut |from| {
        let read = erased_serde::deserialize(from)
            .map_err(|error| wrong::read::<T>(content_type, error))?;
        value = Some(read);
        Ok(())
    })?;
    value.ok_or_else(|| {
        Error::internal(format!(
            "the codec of {content_type} handed over no value; its `decode` must call `read`"
        ))
    })
}
