//! Called by derived code. Not a public interface: it changes with the macros.

pub use super::{
    proto,
    schema::{
        Describe, Foreign, Known, OBJECT, Probe, any, bytes, choice, field, flatten, list, map,
        newtype, object, optional, root,
    },
    structured::{Serde, decode, encode},
};
pub use crate::{codec::Codecs, error::Result, message::ContentType, node::Value};
pub use ::bytes::Bytes;
