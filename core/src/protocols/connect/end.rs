//! The message that ends a stream: `{"error":…,"metadata":{"name":["value"]}}`.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{error, metadata};
use crate::{
    error::{Error, Result},
    message::Metadata,
    protocols::{envelope::encode, propagation},
};

/// The flag of the message that ends a stream.
pub(super) const END: u8 = 2;

/// The end of a stream in its envelope. Of the response's metadata in `trailers`, the entries named as
/// trailers are included.
pub(super) fn write(ended: Result<(), &Error>, trailers: &Metadata) -> Bytes {
    let mut end = Map::new();
    let mut entries = Map::new();
    let of_answer = trailers.iter();
    let of_answer = of_answer.filter_map(|(name, value)| Some((propagation::bare(name)?, value)));
    metadata::write_end(of_answer, &mut entries);
    if let Err(failed) = ended {
        end.insert("error".to_owned(), error::write(failed));
        let said = metadata::of_error(failed);
        let said = said.iter();
        let said = said.map(|(name, value)| (propagation::bare(name).unwrap_or(name), value));
        metadata::write_end(said, &mut entries);
    }
    if !entries.is_empty() {
        end.insert("metadata".to_owned(), Value::Object(entries));
    }
    let text = Value::Object(end).to_string();
    encode(END, text.as_bytes()).unwrap_or_else(|_| Bytes::from_static(b"\x02\0\0\0\x02{}"))
}
