//! The bytes of one connection in both directions, with limits for stalls.

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{MessageError, Outbox, Reader};
use crate::{
    net::{buffered::ByteReservation, io::Io},
    time::{self, NEVER, Nanos, Timer, nanos},
};

/// Bytes read ahead of the responses: further pipelined requests wait in the socket.
const MAX_READ_AHEAD: usize = 64 * 1024;
/// How long, and how much, is still read from a connection that is given up, so that it is not reset before
/// the peer has read the reason.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1 << 20);

/// A connection.
pub(crate) struct MessageIo {
    pub(crate) io: Io,
    pub(crate) reader: Reader,
    pub(crate) outbox: Outbox,
    timer: Timer,
    /// Since when the peer has taken no bytes.
    stalled: Option<Nanos>,
    /// How long it may do so.
    stall_timeout: Duration,
    /// Counts bytes read and not taken, and bytes to be written, at a server.
    account: Option<ByteReservation>,
}

impl MessageIo {
    pub(crate) fn new(io: Io, reader: Reader, stall_timeout: Duration) -> Self {
        MessageIo {
            io,
            reader,
            outbox: Outbox::default(),
            timer: Timer::new(),
            stalled: None,
            stall_timeout,
            account: None,
        }
    }

    /// With counted bytes.
    pub(crate) fn counted(mut self, account: ByteReservation) -> Self {
        self.account = Some(account);
        self
    }

    fn count(&self) {
        if let Some(account) = &self.account {
            account.set(self.reader.buffered() + self.outbox.length());
        }
    }

    /// Writes until nothing waits; fails if the peer takes nothing for too long.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MessageError>> {
        if self.outbox.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let before = self.outbox.length();
        let flushed = self.outbox.poll_flush(&mut self.io, cx);
        self.count();
        match flushed {
            Poll::Ready(flushed) => {
                self.stalled = None;
                return Poll::Ready(flushed.map_err(MessageError::from));
            }
            Poll::Pending if self.outbox.length() < before => self.stalled = Some(time::now()),
            Poll::Pending => {}
        }
        let since = *self.stalled.get_or_insert_with(time::now);
        match self.is_past(since.saturating_add(nanos(self.stall_timeout)), cx) {
            true => Poll::Ready(Err(MessageError::Io(std::io::ErrorKind::TimedOut.into()))),
            false => Poll::Pending,
        }
    }

    /// Reads more, unless much has been read ahead; `Ok(0)` at the end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, MessageError>> {
        if self.reader.buffered() >= MAX_READ_AHEAD {
            return Poll::Pending;
        }
        let filled = self.reader.poll_fill(&mut self.io, cx);
        if filled.is_ready() {
            self.count();
        }
        filled.map_err(MessageError::from)
    }

    /// Whether nothing has arrived since the last message, neither bytes nor the end.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.reader.is_amid() && self.poll_fill(&mut cx).is_pending()
    }

    /// Whether the time has come; otherwise `cx` is woken then.
    pub(crate) fn is_past(&mut self, at: Nanos, cx: &mut Context<'_>) -> bool {
        while at != NEVER && self.timer.poll(at, cx) {
            if time::now() >= at {
                return true;
            }
        }
        false
    }

    pub(crate) async fn flush(&mut self) -> Result<(), MessageError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Writes what waits and closes, after the peer has had time to read.
    pub(crate) async fn close(mut self) {
        let farewell = async {
            self.flush().await.ok()?;
            self.io.shutdown().await.ok()?;
            let (mut rest, mut read) = ([0; 4096], 0);
            while read < LINGER.1 {
                match self.io.read(&mut rest).await {
                    Ok(0) | Err(_) => break,
                    Ok(more) => read += more,
                }
            }
            Some(())
        };
        let _ = tokio::time::timeout(LINGER.0, farewell).await;
    }
}

impl AsMut<MessageIo> for MessageIo {
    fn as_mut(&mut self) -> &mut MessageIo {
        self
    }
}
