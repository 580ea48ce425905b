//! Metadata that a server sends after the last message of a stream.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::metadata::Metadata;

/// Metadata that is present once a stream has ended; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trailers(Arc<Mutex<Metadata>>);

impl Trailers {
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub(crate) fn set(&self, metadata: Metadata) {
        *self.0.lock() = metadata;
    }

    pub(crate) fn get(&self) -> Metadata {
        self.0.lock().clone()
    }
}
