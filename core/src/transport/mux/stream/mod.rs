//! Streams with flow control: a reader grants credit for bytes that it will hold.

mod inbox;
mod pump;
mod run;

use std::task::{Context, Poll};

use super::queue::Queue;
use crate::error::{Error, Outcome};
pub(super) use inbox::{Inbox, Incoming};
pub(super) use pump::{Credit, pump};
pub(super) use run::Run;

/// The cost of a message besides its bytes, so that empty ones are bounded, too.
const MESSAGE_OVERHEAD: usize = 32;

/// The credit that a message of this size costs.
fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes + MESSAGE_OVERHEAD).unwrap_or(u32::MAX)
}

/// The queue for a connection's frames.
pub(super) trait FrameSink: Send + Sync + 'static {
    /// Lets `write` add to the queue, and wakes the writer; does nothing after the end of the connection.
    fn write(&self, write: &mut dyn FnMut(&mut Queue));

    /// The same, once the queue has space, regardless of the other side's credit.
    fn poll_write(&self, cx: &mut Context<'_>, write: &mut dyn FnMut(&mut Queue)) -> Poll<()>;

    /// The stream of a call is not read any more; the other side is notified if that ends the call.
    fn give_up(&self, id: u64);
}

/// The error for a stream whose deadline has passed.
pub(super) fn cut_off() -> Error {
    Error::deadline_exceeded("the stream was cut off at the deadline")
        .with_outcome(Outcome::Unknown)
}

/// The error for a message over the other side's limit, which was not sent.
pub(super) fn too_large(length: usize, limit: usize) -> Error {
    Error::invalid_argument(format!(
        "a message of {length} bytes is over the limit `max_message_size` of {limit}; send it as a stream"
    ))
}
