//! BSON, `application/bson`, by bson. Needs the feature `bson`.
//!
//! A message of BSON is a document. A value that is not, such as a number, is written as the field `value` of one.

use bson::raw::{RawBsonRef, RawDocument};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{codec::wrong, error::Result, message::ContentType};

pub(super) const NAME: &str = "application/bson";

/// Documents and arrays inside each other; as many as in JSON and MessagePack.
const MAX_DEPTH: usize = 127;

#[derive(Serialize, Deserialize)]
struct Document<T> {
    value: T,
}

pub(super) fn encode<T: Serialize>(content_type: &ContentType, value: &T) -> Result<Bytes> {
    bson::serialize_to_vec(value)
        .or_else(|_| bson::serialize_to_vec(&Document { value }))
        .map(Bytes::from)
        .map_err(|error| wrong::write::<T>(content_type, error))
}

pub(super) fn decode<T: DeserializeOwned>(content_type: &ContentType, bytes: &[u8]) -> Result<T> {
    if is_too_deep(bytes) {
        return Err(wrong::too_deep::<T>(content_type, MAX_DEPTH));
    }
    bson::deserialize_from_slice(bytes).or_else(|error| {
        bson::deserialize_from_slice::<Document<T>>(bytes)
            .map(|document| document.value)
            .map_err(|_| wrong::read::<T>(content_type, error))
    })
}

/// Whether a document is nested deeper than [`MAX_DEPTH`]: the crate itself recurses without a limit. Where the document
/// is malformed, the crate stops as well.
fn is_too_deep(bytes: &[u8]) -> bool {
    let Ok(document) = RawDocument::from_bytes(bytes) else {
        return false;
    };
    let mut open = vec![document.iter()];
    while let Some(elements) = open.last_mut() {
        let inner = match elements.next() {
            Some(Ok((_, RawBsonRef::Document(inner)))) => inner,
            Some(Ok((_, RawBsonRef::JavaScriptCodeWithScope(code)))) => code.scope,
            Some(Ok((_, RawBsonRef::Array(array)))) => {
                match RawDocument::from_bytes(array.as_bytes()) {
                    Ok(inner) => inner,
                    Err(_) => return false,
                }
            }
            Some(Ok(_)) => continue,
            Some(Err(_)) => return false,
            None => {
                open.pop();
                continue;
            }
        };
        if open.len() == MAX_DEPTH {
            return true;
        }
        open.push(inner.iter());
    }
    false
}
