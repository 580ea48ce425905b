//! The sending end of a stream: sends messages as credit and the connection's queue allow.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{FrameSink, cost, too_large};
use crate::{
    error::Result,
    message::BodyStream,
    transport::mux::{
        frame::{Header, kind},
        queue::Queue,
    },
};

/// Messages sent together at most: the locks of credit and queue are taken once for them.
const MAX_MESSAGE_BATCH: usize = 64;
/// Bytes of messages, beyond which no more are taken from the stream before these were sent.
const MAX_TAKEN_BYTES: usize = 16 * 1024;

/// The credit left on a stream.
pub(crate) struct Credit(Mutex<Grant>);

struct Grant {
    left: u32,
    waker: Option<Waker>,
}

impl Credit {
    pub(crate) fn new(window: u32) -> Arc<Self> {
        Arc::new(Credit(Mutex::new(Grant {
            left: window,
            waker: None,
        })))
    }

    /// Adds what the reader granted.
    pub(crate) fn grant(&self, bytes: u32) {
        let mut grant = self.0.lock();
        grant.left = grant.left.saturating_add(bytes);
        let waker = grant.waker.take();
        drop(grant);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the credit for as many of the messages as possible, at least one.
    fn poll_take(&self, messages: &VecDeque<Bytes>, cx: &mut Context<'_>) -> Poll<usize> {
        let mut grant = self.0.lock();
        if grant.left == 0 {
            grant.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut count = 0;
        for message in messages {
            if grant.left == 0 {
                break;
            }
            grant.left = grant.left.saturating_sub(cost(message.len()));
            count += 1;
        }
        Poll::Ready(count)
    }
}

/// Sends every message of a stream as credit allows. The result is how the stream ended.
pub(crate) async fn pump<O: FrameSink>(
    messages: BodyStream,
    outlet: &O,
    credit: &Credit,
    id: u64,
    limit: usize,
) -> Result<()> {
    let mut taken = StreamBuffer {
        from: messages,
        limit,
        messages: VecDeque::new(),
        paid: 0,
        end: None,
    };
    poll_fn(|cx| {
        loop {
            if taken.paid == 0 {
                taken.poll_fill(cx);
                if taken.messages.is_empty() {
                    return taken.end.take().map_or(Poll::Pending, Poll::Ready);
                }
                taken.paid = ready!(credit.poll_take(&taken.messages, cx));
            }
            ready!(outlet.poll_write(cx, &mut |queue| {
                taken.write(queue, id);
            }));
        }
    })
    .await
}

/// Messages taken from a stream and not sent yet.
struct StreamBuffer {
    from: BodyStream,
    /// The largest message the other side takes.
    limit: usize,
    messages: VecDeque<Bytes>,
    /// How many of them have credit.
    paid: usize,
    /// How the stream ended, after those messages.
    end: Option<Result<()>>,
}

impl StreamBuffer {
    /// Takes the messages that are ready, a few at most.
    fn poll_fill(&mut self, cx: &mut Context<'_>) {
        let mut bytes: usize = self.messages.iter().map(Bytes::len).sum();
        while self.end.is_none()
            && self.messages.len() < MAX_MESSAGE_BATCH
            && bytes < MAX_TAKEN_BYTES
        {
            match self.from.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Ready(Some(Err(error))) => self.end = Some(Err(error)),
                Poll::Ready(Some(Ok(message))) if message.len() > self.limit => {
                    self.end = Some(Err(too_large(message.len(), self.limit)));
                }
                Poll::Ready(Some(Ok(message))) => {
                    bytes += message.len();
                    self.messages.push_back(message);
                }
            }
        }
    }

    /// Queues the messages that have credit.
    fn write(&mut self, queue: &mut Queue, id: u64) {
        for message in self.messages.drain(..self.paid) {
            let header = Header {
                length: message.len() as u32,
                kind: kind::DATA,
                flags: 0,
                head: 0,
                id,
            };
            queue.push_frame(&header, &message);
        }
        self.paid = 0;
    }
}
