//! The receiving end of a stream: messages that arrived, and the credit returned for those taken.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;

use super::{FrameSink, cost};
use crate::{
    error::{Error, Outcome, Result},
    net::buffered::{Buffered, ByteReservation},
    transport::mux::frame::{kind, write_bare},
};

/// Messages that arrived and were not taken yet; at most a window of them.
pub(crate) struct Inbox(Mutex<Inner>);

struct Inner {
    messages: VecDeque<Bytes>,
    end: Option<Result<()>>,
    waker: Option<Waker>,
    /// Bytes that may still arrive before the reader grants more.
    open: u32,
    /// Counts the bytes that arrived and were not read, at a server.
    account: Option<ByteReservation>,
    unread: usize,
}

impl Inner {
    /// Charges a message; fails if the other side sent more than it was granted.
    fn charge(&mut self, message: &Bytes) -> Result<()> {
        // One message of any size may overdraw the credit; the next may not.
        if self.open == 0 {
            return Err(Error::resource_exhausted(
                "a stream sent more than it was granted",
            ));
        }
        self.open = self.open.saturating_sub(cost(message.len()));
        Ok(())
    }

    /// Fails the stream if a server holds so many bytes that it cannot wait for the reader.
    fn check(&mut self) {
        if let Some(account) = &self.account
            && account.buffered().is_far_over()
        {
            let error = account.buffered().refusal();
            self.end = Some(Err(error.with_outcome(Outcome::Unknown)));
            self.messages.clear();
            self.count(0);
        }
    }

    /// Records how many bytes are not read.
    fn count(&mut self, unread: usize) {
        self.unread = unread;
        if let Some(account) = &self.account {
            account.set(unread);
        }
    }
}

impl Inbox {
    pub(crate) fn new(window: u32, account: Option<ByteReservation>) -> Arc<Self> {
        Arc::new(Inbox(Mutex::new(Inner {
            messages: VecDeque::new(),
            end: None,
            waker: None,
            open: window,
            account,
            unread: 0,
        })))
    }

    /// Adds messages, and leaves their buffer empty; messages after the end are dropped.
    pub(super) fn push(&self, messages: &mut Vec<Bytes>) -> Result<()> {
        let mut inner = self.0.lock();
        for message in &*messages {
            inner.charge(message)?;
        }
        if inner.end.is_none() {
            let more: usize = messages.iter().map(Bytes::len).sum();
            inner.messages.extend(messages.drain(..));
            let unread = inner.unread + more;
            inner.count(unread);
            inner.check();
        }
        let waker = inner.waker.take();
        drop(inner);
        messages.clear();
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Ends the stream after the messages that arrived.
    pub(crate) fn end(&self, end: Result<()>) {
        let mut inner = self.0.lock();
        inner.end.get_or_insert(end);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn has_ended(&self) -> bool {
        self.0.lock().end.is_some()
    }
}

/// The reader of an [`Inbox`]: grants credit as it reads, and cancels the stream when dropped.
pub(crate) struct Incoming<O: FrameSink> {
    inbox: Arc<Inbox>,
    outlet: Arc<O>,
    id: u64,
    window: u32,
    /// Bytes taken since credit was last granted.
    taken: u32,
    /// Messages taken out together, so that the lock is taken once a batch.
    batch: VecDeque<Bytes>,
    /// Bytes read since the lock was last taken.
    read: usize,
    ended: bool,
    /// The accounting of the messages, at a server.
    buffered: Option<Arc<Buffered>>,
}

impl<O: FrameSink> Incoming<O> {
    pub(crate) fn new(inbox: Arc<Inbox>, outlet: Arc<O>, id: u64, window: u32) -> Self {
        let account = inbox.0.lock();
        let buffered = account.account.as_ref().map(|it| it.buffered().clone());
        drop(account);
        Incoming {
            buffered,
            inbox,
            outlet,
            id,
            window,
            taken: 0,
            batch: VecDeque::new(),
            read: 0,
            ended: false,
        }
    }

    /// Grants what was taken, once it is half a window. A server that holds too many bytes grants nothing; `cx` is woken
    /// when it may again.
    fn grant(&mut self, cx: &Context<'_>) {
        if self.taken < self.window / 2 || self.poll_room(cx).is_pending() {
            return;
        }
        let taken = std::mem::take(&mut self.taken);
        let granted = {
            let mut inner = self.inbox.0.lock();
            if inner.end.is_some() {
                return;
            }
            // A message that overdrew the credit was charged only what there was: no more is returned,
            // or the other side would have more than a window.
            let granted = taken.min(self.window.saturating_sub(inner.open));
            inner.open += granted;
            granted
        };
        let id = self.id;
        self.outlet.write(&mut |queue| {
            write_bare(queue.tail(), kind::CREDIT, id, &granted.to_le_bytes());
        });
    }
}

impl<O: FrameSink> Incoming<O> {
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.buffered {
            Some(buffered) => buffered.poll_room(cx),
            None => Poll::Ready(()),
        }
    }
}

impl<O: FrameSink> Stream for Incoming<O> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.batch.is_empty() {
            if this.ended {
                return Poll::Ready(None);
            }
            // Returns what was withheld for lack of space.
            this.grant(cx);
            let mut inner = this.inbox.0.lock();
            let unread = inner.unread.saturating_sub(std::mem::take(&mut this.read));
            inner.count(unread);
            std::mem::swap(&mut inner.messages, &mut this.batch);
            if this.batch.is_empty() {
                match &inner.end {
                    None => {
                        inner.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Some(end) => {
                        this.ended = true;
                        return Poll::Ready(end.clone().err().map(Err));
                    }
                }
            }
        }
        let message = this.batch.pop_front();
        if let Some(message) = &message {
            this.taken = this.taken.saturating_add(cost(message.len()));
            this.read += message.len();
            this.grant(cx);
        }
        Poll::Ready(message.map(Ok))
    }
}

impl<O: FrameSink> Drop for Incoming<O> {
    fn drop(&mut self) {
        if !self.ended && !self.inbox.has_ended() {
            self.inbox.end(Ok(()));
            self.outlet.give_up(self.id);
        }
    }
}
