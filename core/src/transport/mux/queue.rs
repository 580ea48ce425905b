//! Bytes to send: queued by callers, written by the connection's task in as few system calls as possible.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::frame::{HEADER, Header, kind};

/// A body of at least this size is queued without a copy; below, copying is cheaper than another slice to write.
const MIN_UNCOPIED_BODY: usize = 8 * 1024;
/// A buffer that has grown beyond this is not kept.
const MAX_KEPT_BUFFER: usize = 256 * 1024;
/// Slices passed to one system call.
const MAX_WRITE_PIECES: usize = 16;

/// Queued bytes that the writer does not have yet. Offsets count every byte ever queued.
#[derive(Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    /// Frames after the last body that is not copied.
    tail: Vec<u8>,
    /// The offset of the first byte that is still here.
    base: u64,
    /// The offset of the tail's first byte.
    tail_base: u64,
}

enum Piece {
    Frames(Vec<u8>),
    Body(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Frames(frames) => frames,
            Piece::Body(body) => body,
        }
    }
}

impl Queue {
    /// The buffer to write frames to.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// The offset after the last byte queued.
    pub(super) fn end(&self) -> u64 {
        self.tail_base + self.tail.len() as u64
    }

    /// The bytes that are queued and that the writer does not have.
    pub(super) fn length(&self) -> u64 {
        self.end() - self.base
    }

    /// Queues the body of the frame whose header was just written.
    #[inline]
    pub(super) fn push_body(&mut self, body: &Bytes) {
        if body.len() < MIN_UNCOPIED_BODY {
            self.tail.extend_from_slice(body);
            return;
        }
        self.tail_base = self.end() + body.len() as u64;
        let frames = std::mem::take(&mut self.tail);
        self.pieces.push_back(Piece::Frames(frames));
        self.pieces.push_back(Piece::Body(body.clone()));
    }

    /// Queues a frame that has no head.
    pub(super) fn push_frame(&mut self, header: &Header, body: &Bytes) {
        self.tail
            .reserve(HEADER + body.len().min(MIN_UNCOPIED_BODY));
        self.tail.extend_from_slice(&header.bytes());
        self.push_body(body);
    }

    /// Turns the request that starts at `start` into a withdrawn one, unless the writer has it already.
    /// Returns whether it was still here, in which case the other side never acts on it.
    pub(super) fn erase(&mut self, start: u64) -> bool {
        const KIND_OFFSET: usize = 4;
        if start < self.base {
            return false;
        }
        let mut offset = self.base;
        for piece in &mut self.pieces {
            let length = piece.bytes().len() as u64;
            if start < offset + length {
                let Piece::Frames(frames) = piece else {
                    return false;
                };
                frames[(start - offset) as usize + KIND_OFFSET] = kind::WITHDRAWN;
                return true;
            }
            offset += length;
        }
        let at = (start - self.tail_base) as usize;
        if at + HEADER > self.tail.len() {
            return false;
        }
        self.tail[at + KIND_OFFSET] = kind::WITHDRAWN;
        true
    }

    /// Moves everything to the writer, which must be empty. Returns whether there was anything.
    pub(super) fn hand_over(&mut self, writer: &mut Writer) -> bool {
        std::mem::swap(&mut self.pieces, &mut writer.pieces);
        if !self.tail.is_empty() {
            self.tail_base = self.end();
            let frames = std::mem::replace(&mut self.tail, std::mem::take(&mut writer.spare));
            writer.pieces.push_back(Piece::Frames(frames));
        }
        self.base = self.tail_base;
        !writer.pieces.is_empty()
    }

    /// Releases memory, on connections that are idle.
    pub(super) fn shrink(&mut self) {
        if self.tail.is_empty() {
            self.tail = Vec::new();
        }
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
    }
}

/// The bytes being written.
#[derive(Default)]
pub(super) struct Writer {
    pieces: VecDeque<Piece>,
    /// Bytes of the first slice that are written already.
    written: usize,
    /// An empty buffer to fill next.
    spare: Vec<u8>,
}

impl Writer {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The number of waiting bytes.
    pub(super) fn length(&self) -> usize {
        let all: usize = self.pieces.iter().map(|piece| piece.bytes().len()).sum();
        all - self.written
    }

    /// Writes once. Returns how many bytes were written.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let written = if self.pieces.len() == 1 {
            ready!(io.poll_write(cx, &self.pieces[0].bytes()[self.written..]))?
        } else {
            let mut slices = [IoSlice::new(&[]); MAX_WRITE_PIECES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                let skip = if count == 0 { self.written } else { 0 };
                *slice = IoSlice::new(&piece.bytes()[skip..]);
                count += 1;
            }
            ready!(io.poll_write_vectored(cx, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, written: usize) {
        self.written += written;
        while let Some(piece) = self.pieces.front() {
            let length = piece.bytes().len();
            if self.written < length {
                break;
            }
            self.written -= length;
            if let Some(Piece::Frames(mut frames)) = self.pieces.pop_front()
                && frames.capacity() <= MAX_KEPT_BUFFER
                && frames.capacity() > self.spare.capacity()
            {
                frames.clear();
                self.spare = frames;
            }
        }
    }

    /// Releases memory, on connections that are idle.
    pub(super) fn shrink(&mut self) {
        if self.pieces.is_empty() {
            *self = Writer::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::frame::write_bare, *};

    #[test]
    fn frame_is_erased_only_before_it_is_written() {
        let mut queue = Queue::default();
        write_bare(queue.tail(), kind::PING, 1, b"");
        let second = queue.end();
        write_bare(queue.tail(), kind::DATA, 2, b"");
        queue.push_body(&Bytes::from(vec![7; MIN_UNCOPIED_BODY]));
        let third = queue.end();
        write_bare(queue.tail(), kind::PING, 3, b"");
        assert!(queue.erase(second));
        assert!(queue.erase(third));
        let mut writer = Writer::default();
        assert!(queue.hand_over(&mut writer));
        assert!(!queue.erase(third));
        let all: Vec<u8> = writer
            .pieces
            .iter()
            .flat_map(|p| p.bytes())
            .copied()
            .collect();
        assert_eq!(all.len() as u64, queue.end());
        assert_eq!(all[second as usize + 4], kind::WITHDRAWN);
        assert_eq!(all[4], kind::PING);
    }
}
