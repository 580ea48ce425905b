//! Messages of one stream that arrived in one read, delivered together.

use std::sync::Arc;

use bytes::Bytes;

use super::Inbox;
use crate::{error::Result, transport::mux::reader::Frame};

/// Consecutive DATA frames of one call: the lock of its inbox is taken, and its reader woken, once for
/// all of them. They are delivered before a frame of another kind is handled, and after the last frame.
#[derive(Default)]
pub(crate) struct Run {
    id: u64,
    /// `None` if the call's stream is not read any more.
    inbox: Option<Arc<Inbox>>,
    messages: Vec<Bytes>,
    /// Whether there are messages, if only to be dropped.
    begun: bool,
}

impl Run {
    /// Adds a message; `find` looks up the inbox when the call changes.
    pub(crate) fn add(
        &mut self,
        frame: Frame<'_>,
        find: impl FnOnce(u64) -> Option<Arc<Inbox>>,
    ) -> Result<()> {
        let id = frame.header.id;
        if !self.begun || self.id != id {
            self.deliver()?;
            self.inbox = find(id);
            self.id = id;
            self.begun = true;
        }
        if self.inbox.is_some() {
            self.messages.push(frame.body());
        }
        Ok(())
    }

    /// Delivers the messages; fails if the other side sent more than it was granted.
    #[inline(always)]
    pub(crate) fn deliver(&mut self) -> Result<()> {
        // Most frames do not belong to streams: for them this is all.
        if self.begun { self.hand_over() } else { Ok(()) }
    }

    #[inline(never)]
    fn hand_over(&mut self) -> Result<()> {
        self.begun = false;
        match self.inbox.take() {
            Some(inbox) => inbox.push(&mut self.messages),
            None => Ok(()),
        }
    }
}
