//! Compression of the single messages of a call.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
};

/// How the messages of one call are compressed, each by itself.
///
/// A caller makes one and gives it to [`RequestBuilder::compression`](crate::client::RequestBuilder::compression); a
/// handler finds that of its call in [`Context::compression`](crate::Context::compression). Only gRPC fills it in.
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
    /// Of a call of which nothing is said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether messages sent from now on are compressed, however small they are.
    ///
    /// Whether a call has compressed messages at all is in its head: a caller who wants some says so before
    /// the call, a handler before it answers, with a stream too. Then it may change from message to message;
    /// who makes the messages of a stream says it just before each. Where the other side does not
    /// understand any compression, all are sent plain.
    pub fn compress(&self, compress: bool) {
        let compress = if compress { COMPRESSED } else { PLAIN };
        self.0.compress.store(compress, Relaxed);
    }

    /// Whether the message that was taken last came compressed.
    pub fn came_compressed(&self) -> bool {
        self.0.came_compressed.load(Relaxed)
    }

    /// Whether messages are to be compressed; `None` where nothing was said.
    #[cfg(any(feature = "grpc", feature = "connect"))]
    pub(crate) fn compresses(&self) -> Option<bool> {
        match self.0.compress.load(Relaxed) {
            PLAIN => Some(false),
            COMPRESSED => Some(true),
            _ => None,
        }
    }

    /// Notes whether a message came compressed.
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
