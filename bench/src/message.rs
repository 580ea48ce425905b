//! The one message every system carries, there and back.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A body and nothing else, so that a cell's payload size is the size of the body.
///
/// It derives both codecs: serde for the systems that speak it, prost for those that speak protobuf.
/// `Bytes` goes through either as one block, never byte by byte.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
pub(crate) struct Echo {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) body: Bytes,
}

impl Echo {
    /// A message of `size` bytes, cheap to clone: the load must not pay for making it.
    pub(crate) fn of_size(size: usize) -> Self {
        let body: Vec<u8> = (0..size).map(|at| at as u8).collect();
        Self {
            // Leaked once a process: a static `Bytes` is cloned without touching a reference count.
            body: Bytes::from_static(Box::leak(body.into_boxed_slice())),
        }
    }
}
