//! Compression of the single messages of a call.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
};

/// How the messages of one call are compressed.
///
/// A caller creates one and passes it to [`RequestBuilder::compression`](crate::client::RequestBuilder::compression); a
/// handler receives that of its call from [`Context::compression`](crate::Context::compression). Only gRPC supports this.
///
/// ```
/// use micro::Compression;
///
/// let compression = Compression::new();
/// compression.compress(true);
/// assert!(!compression.came_compressed());
/// ```
#[derive(Clone, Default)]
pub struct Compression(Arc<State>);

#[derive(Default)]
struct State {
    compress: AtomicU8,
    came_compressed: AtomicBool,
}

const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;

impl Compression {
    /// Creates a state in which nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether messages sent from now on are compressed, whatever their size.
    ///
    /// The head of a call says whether it has compressed messages at all. A caller therefore sets this before the call, and
    /// a handler before it answers, also with a stream. Then it may change from message to message, set just before each
    /// message. If the other side supports no compression, all messages are
    /// sent uncompressed.
    pub fn compress(&self, compress: bool) {
        let compress = if compress { COMPRESSED } else { PLAIN };
        self.0.compress.store(compress, Relaxed);
    }

    /// Whether the last received message was compressed.
    pub fn came_compressed(&self) -> bool {
        self.0.came_compressed.load(Relaxed)
    }

    /// Whether messages are to be compressed; `None` if not set.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub(crate) fn compresses(&self) -> Option<bool> {
        match self.0.compress.load(Relaxed) {
            PLAIN => Some(false),
            COMPRESSED => Some(true),
            _ => None,
        }
    }

    /// Records whether a received message was compressed.
    #[cfg(feature = "grpc")]
    pub(crate) fn came(&self, compressed: bool) {
        self.0.came_compressed.store(compressed, Relaxed);
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compression")
    }
}
