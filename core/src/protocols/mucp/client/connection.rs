//! One connection of a client's, in the hands of one call at a time.

use std::{
    future::poll_fn,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Method, response::Parts};

use super::lane::Lane;
use crate::{
    error::{Error, Result},
    http::h1::{BodyFraming, Broken, Outbox, Reader, is_kept, write_request},
    net::{
        io::Io,
        pool::{Place, Pooled},
    },
    time::Nanos,
};

/// A connection to a node.
pub(crate) struct Connection {
    pub(super) io: Io,
    pub(super) reader: Reader,
    pub(super) outbox: Outbox,
    pub(super) seen: Arc<Seen>,
    /// Whether a call was made over it before.
    pub(super) reused: bool,
    /// Whether the last message ended with it.
    pub(super) spent: bool,
    pub(super) place: Place,
}

/// What the pool sees of a connection.
pub(crate) struct Seen {
    /// Since when it is idle; 0 while it is not.
    pub(super) idle_since: AtomicU64,
    pub(super) lane: Weak<Lane>,
}

impl Pooled for Seen {
    fn idle_since(&self) -> Option<Nanos> {
        Some(self.idle_since.load(Relaxed)).filter(|since| *since > 0)
    }

    fn retire(&self) {
        if let Some(lane) = self.lane.upgrade() {
            lane.retire(self);
        }
    }
}

/// A message to be sent.
pub(crate) struct Message<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    /// Queues a message.
    pub(super) fn queue(&mut self, message: Message<'_>) {
        let length = BodyFraming::Length(message.body.len() as u64);
        write_request(
            self.outbox.tail(),
            message.method,
            message.target,
            message.host,
            message.headers,
            length,
        );
        self.outbox.push(message.body);
    }

    /// Whether it is still open and quiet, as one that is idle has to be.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.reader.poll_fill(&mut self.io, &mut cx).is_pending()
    }

    /// Writes what is queued and reads the next message, which is the reply to it; `None` where the node
    /// closed the connection instead.
    pub(super) async fn reply(&mut self, most: usize) -> Result<Option<(Parts, Bytes)>, Broken> {
        let Connection {
            io, reader, outbox, ..
        } = self;
        // A reply may come before all is sent, as one that refuses a large body does.
        poll_fn(|cx| {
            let written = outbox.poll_flush(io, cx);
            if reader.buffered() > 0 || written.is_ready() {
                return match written {
                    Poll::Ready(Err(error)) if reader.buffered() == 0 => Poll::Ready(Err(error)),
                    _ => Poll::Ready(Ok(())),
                };
            }
            match reader.poll_fill(io, cx) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let Some((head, framing)) = reader.response(io, &Method::POST).await? else {
            return Ok(None);
        };
        let (body, _) = reader.whole(io, most).await?;
        self.reused = true;
        self.spent = framing == BodyFraming::UntilClose;
        Ok(Some((head, body)))
    }

    /// Whether another call may be made over it after this reply.
    pub(super) fn is_kept(&self, head: &Parts) -> bool {
        !self.spent
            && head.status.is_success()
            && is_kept(head.version, &head.headers)
            && self.outbox.is_empty()
            && self.reader.buffered() == 0
            && self.reader.is_body_done()
    }
}

/// What went wrong with a connection to a node.
pub(super) fn lost(address: &str, broken: Broken) -> Error {
    Error::from(broken).context(format_args!("node at `{address}`"))
}
