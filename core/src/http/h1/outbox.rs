//! Bytes to write, gathered over all responses between two reads.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// A body of at least this size is queued without a copy; below, copying is cheaper than another slice to write.
const MIN_UNCOPIED_BODY: usize = 8 * 1024;
/// Slices passed to one system call.
const MAX_WRITE_PIECES: usize = 16;
/// A buffer that has grown beyond this is not kept.
const MAX_KEPT_BUFFER: usize = 256 * 1024;

/// The bytes to write.
#[derive(Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    /// The bytes of all pieces.
    queued: usize,
    /// The bytes after the pieces.
    tail: BytesMut,
}

impl Outbox {
    /// The buffer to write to.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Adds bytes without a copy.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < MIN_UNCOPIED_BODY {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        if !self.tail.is_empty() {
            let before = self.tail.split().freeze();
            self.queued += before.len();
            self.pieces.push_back(before);
        }
        self.queued += bytes.len();
        self.pieces.push_back(bytes);
    }

    /// The number of waiting bytes.
    pub(crate) fn length(&self) -> usize {
        self.queued + self.tail.len()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// Writes until nothing waits.
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.is_empty() {
            let written = ready!(self.poll_write(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.tail.capacity() > MAX_KEPT_BUFFER {
            self.tail = BytesMut::new();
        }
        Pin::new(io).poll_flush(cx)
    }

    /// Writes until nothing waits.
    pub(crate) async fn flush<W: AsyncWrite + Unpin>(&mut self, io: &mut W) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_flush(io, cx)).await
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        if self.pieces.is_empty() {
            return io.poll_write(cx, &self.tail);
        }
        let mut slices = [IoSlice::new(&[]); MAX_WRITE_PIECES];
        let all = self.pieces.iter().map(|piece| &piece[..]);
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(all.chain([&self.tail[..]])) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        io.poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.queued -= written;
                return;
            }
            written -= first.len();
            self.queued -= first.len();
            self.pieces.pop_front();
        }
        self.tail.advance(written);
    }
}
