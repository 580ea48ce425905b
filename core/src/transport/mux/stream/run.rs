//! Messages of one stream that came in one read, handed over together.

use std::sync::Arc;

use bytes::Bytes;

use super::Inbox;
use crate::{error::Result, transport::mux::reader::Frame};

/// A row of DATA frames of one call: the lock of its inbox is taken, and its reader woken, once for
/// all of them. Whoever reads frames delivers it before any frame of another kind and after the last.
#[derive(Default)]
pub(crate) struct Run {
    id: u64,
    /// `None` where nobody reads the call's stream any more.
    inbox: Option<Arc<Inbox>>,
    messages: Vec<Bytes>,
    /// Whether there is a row, if only one to be dropped.
    begun: bool,
}

impl Run {
    /// Adds a message; `find` looks for the inbox of a call that is not the one before.
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

    /// Hands over what has come; an error when the other side sent more than it was granted.
    #[inline(always)]
    pub(crate) fn deliver(&mut self) -> Result<()> {
        // Most frames are not of streams: for them this is all.
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
