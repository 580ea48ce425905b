//! What a call looks like on the wire, for the few who must know.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
};

/// One call on the wire: how its messages are compressed, each by itself.
///
/// A caller makes one and gives it to [`RequestBuilder::wire`](crate::client::RequestBuilder::wire); a
/// handler finds that of its call in [`Context::wire`](crate::Context::wire). Only gRPC fills it in.
///
/// ```
/// use micro::Wire;
///
/// let wire = Wire::new();
/// wire.compress(true);
/// assert!(!wire.came_compressed());
/// ```
#[derive(Clone, Default)]
pub struct Wire(Arc<State>);

#[derive(Default)]
struct State {
    compress: AtomicU8,
    came_compressed: AtomicBool,
}

const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;

impl Wire {
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

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
