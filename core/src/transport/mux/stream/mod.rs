//! Streams of messages with credit: a reader says how many bytes more it will hold.

mod inbox;
mod pump;
mod run;

use std::task::{Context, Poll};

use super::queue::Queue;
use crate::error::{Error, Outcome};
pub(super) use inbox::{Inbox, Incoming};
pub(super) use pump::{Credit, pump};
pub(super) use run::Run;

/// What a message costs besides its bytes, so that empty ones are bounded too.
const MESSAGE_OVERHEAD: usize = 32;

/// What a message of so many bytes costs of a stream's credit.
fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes + MESSAGE_OVERHEAD).unwrap_or(u32::MAX)
}

/// Where frames of a connection are queued.
pub(super) trait FrameSink: Send + Sync + 'static {
    /// Lets `write` add to the queue and wakes the writer; nothing happens when the connection is gone.
    fn write(&self, write: &mut dyn FnMut(&mut Queue));

    /// The same once the queue has room, whatever credit the other side has given.
    fn poll_write(&self, cx: &mut Context<'_>, write: &mut dyn FnMut(&mut Queue)) -> Poll<()>;

    /// Nobody reads the stream of a call any more; the other side is told where that ends the call.
    fn give_up(&self, id: u64);
}

/// The error for a stream whose time is over.
pub(super) fn cut_off() -> Error {
    Error::deadline_exceeded("the stream was cut off at the deadline")
        .with_outcome(Outcome::Unknown)
}

/// The error for a message over the other side's limit, found before it was sent.
pub(super) fn too_large(length: usize, limit: usize) -> Error {
    Error::invalid_argument(format!(
        "a message of {length} bytes is over the limit `max_message_size` of {limit}; send it as a stream"
    ))
}
