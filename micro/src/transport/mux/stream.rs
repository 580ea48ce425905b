//! Streams of messages with credit: a reader says how many bytes more it will hold.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;

use super::{
    frame::{kind, write_bare},
    queue::Queue,
};
use crate::{
    error::{Error, Outcome, Result},
    message::BodyStream,
};

/// What a message costs besides its bytes, so that empty ones are bounded too.
const MESSAGE: usize = 32;

/// What a message of so many bytes costs of a stream's credit.
fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes + MESSAGE).unwrap_or(u32::MAX)
}

/// Where frames of a connection are queued.
pub(super) trait Outlet: Send + Sync + 'static {
    /// Lets `write` add to the queue and wakes the writer; nothing happens when the connection is gone.
    fn write(&self, write: &mut dyn FnMut(&mut Queue));

    /// Waits until the queue has room, whatever credit the other side has given.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Nobody reads the stream of a call any more; the other side is told where that ends the call.
    fn give_up(&self, id: u64);
}

/// Messages that have come and were not taken yet; at most a window of them.
pub(super) struct Inbox(Mutex<Inner>);

struct Inner {
    messages: VecDeque<Bytes>,
    end: Option<Result<()>>,
    waker: Option<Waker>,
    /// Bytes that may still come before the reader grants more.
    open: u32,
}

impl Inbox {
    pub(super) fn new(window: u32) -> Arc<Self> {
        Arc::new(Inbox(Mutex::new(Inner {
            messages: VecDeque::new(),
            end: None,
            waker: None,
            open: window,
        })))
    }

    /// Takes a message in; an error when the other side sent more than it was granted.
    pub(super) fn push(&self, message: Bytes) -> Result<()> {
        let mut inner = self.0.lock();
        // One message may overdraw the credit, whatever its size; the next may not.
        if inner.open == 0 {
            return Err(Error::resource_exhausted(
                "a stream sent more than it was granted",
            ));
        }
        inner.open = inner.open.saturating_sub(cost(message.len()));
        if inner.end.is_none() {
            inner.messages.push_back(message);
        }
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Ends the stream after what has come.
    pub(super) fn end(&self, end: Result<()>) {
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

/// The reader of an [`Inbox`]: grants credit as it goes, gives the stream up when dropped.
pub(super) struct Incoming<O: Outlet> {
    inbox: Arc<Inbox>,
    outlet: Arc<O>,
    id: u64,
    window: u32,
    /// Bytes taken since credit was granted last.
    taken: u32,
    /// Messages taken out together, so that the lock is touched once a batch.
    batch: VecDeque<Bytes>,
    ended: bool,
}

impl<O: Outlet> Incoming<O> {
    pub(super) fn new(inbox: Arc<Inbox>, outlet: Arc<O>, id: u64, window: u32) -> Self {
        Incoming {
            inbox,
            outlet,
            id,
            window,
            taken: 0,
            batch: VecDeque::new(),
            ended: false,
        }
    }

    fn grant(&mut self, cost: u32) {
        self.taken = self.taken.saturating_add(cost);
        if self.taken < self.window / 2 {
            return;
        }
        let taken = std::mem::take(&mut self.taken);
        let granted = {
            let mut inner = self.inbox.0.lock();
            if inner.end.is_some() {
                return;
            }
            // A message that overdrew the credit was charged only what there was: no more is given
            // back, or the other side would believe in more than a window.
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

impl<O: Outlet> Stream for Incoming<O> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.batch.is_empty() {
            if this.ended {
                return Poll::Ready(None);
            }
            let mut inner = this.inbox.0.lock();
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
            this.grant(cost(message.len()));
        }
        Poll::Ready(message.map(Ok))
    }
}

impl<O: Outlet> Drop for Incoming<O> {
    fn drop(&mut self) {
        if !self.ended && !self.inbox.has_ended() {
            self.inbox.end(Ok(()));
            self.outlet.give_up(self.id);
        }
    }
}

/// How much may still be sent on a stream.
pub(super) struct Credit(Mutex<Grant>);

struct Grant {
    left: u32,
    waker: Option<Waker>,
}

impl Credit {
    pub(super) fn new(window: u32) -> Arc<Self> {
        Arc::new(Credit(Mutex::new(Grant {
            left: window,
            waker: None,
        })))
    }

    /// Adds what the reader granted.
    pub(super) fn grant(&self, bytes: u32) {
        let mut grant = self.0.lock();
        grant.left = grant.left.saturating_add(bytes);
        let waker = grant.waker.take();
        drop(grant);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the cost of a message as soon as any credit is left.
    fn poll_take(&self, bytes: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut grant = self.0.lock();
        if grant.left == 0 {
            grant.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        grant.left = grant.left.saturating_sub(cost(bytes));
        Poll::Ready(())
    }
}

/// Sends every message of a stream as credit allows; the result is how the stream ended.
pub(super) async fn pump<O: Outlet>(
    mut messages: BodyStream,
    outlet: &O,
    credit: &Credit,
    id: u64,
    limit: usize,
) -> Result<()> {
    while let Some(message) = poll_fn(|cx| messages.as_mut().poll_next(cx)).await {
        let message = message?;
        if message.len() > limit {
            return Err(too_large(message.len(), limit));
        }
        poll_fn(|cx| credit.poll_take(message.len(), cx)).await;
        poll_fn(|cx| outlet.poll_room(cx)).await;
        outlet.write(&mut |queue| {
            write_header(queue, id, message.len());
            queue.push_body(&message);
        });
    }
    Ok(())
}

fn write_header(queue: &mut Queue, id: u64, length: usize) {
    let header = super::frame::Header {
        length: length as u32,
        kind: kind::DATA,
        flags: 0,
        head: 0,
        id,
    };
    queue.tail().extend_from_slice(&header.bytes());
}

/// The error for a stream whose time is over.
pub(super) fn cut_off() -> Error {
    Error::deadline_exceeded("the stream was cut off at the deadline")
        .with_outcome(Outcome::Unknown)
}

/// The error for a message over the other side's limit, found before it was sent.
pub(super) fn too_large(length: usize, limit: usize) -> Error {
    Error::invalid_argument(format!(
        "a message of {length} bytes is over the limit `message` of {limit}; send it as a stream"
    ))
}
