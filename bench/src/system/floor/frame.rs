//! Frames in buffers: a little-endian length of the body (u32) and id (u64), then the body.

use std::{io, pin::Pin, task::Context, task::Poll};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

const HEADER: usize = 12;

/// What an idle connection's read buffer holds.
const SMALL: usize = 8 * 1024;

/// What it may grow to, frames larger than that apart.
const LARGE: usize = 256 * 1024;

/// Appends a frame.
pub(super) fn put(out: &mut Vec<u8>, id: u64, body: &[u8]) {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
}

/// Writes `out` from `sent` on; ready when all is sent, and then both are empty again.
pub(super) fn poll_write(
    stream: &mut TcpStream,
    out: &mut Vec<u8>,
    sent: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while *sent < out.len() {
        match Pin::new(&mut *stream).poll_write(cx, &out[*sent..]) {
            Poll::Ready(Ok(count)) => *sent += count,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    out.clear();
    *sent = 0;
    Poll::Ready(Ok(()))
}

/// So little that it is sooner copied than read apart.
const SHORT: usize = 1024;

/// Bytes read and not yet taken: one buffer, compacted only when a frame is cut at its end.
pub(super) struct Reader {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the last read left no room.
    filled: bool,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; SMALL],
            start: 0,
            end: 0,
            filled: false,
        }
    }

    /// One read; an end of stream is an error.
    pub(super) fn poll_fill(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.make_room();
        let mut into = ReadBuf::new(&mut self.buffer[self.end..]);
        match Pin::new(stream).poll_read(cx, &mut into) {
            Poll::Ready(Ok(())) if into.filled().is_empty() => {
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(Ok(())) => {
                self.filled = into.remaining() == 0;
                self.end += into.filled().len();
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<(u64, &[u8])> {
        let (id, length) = self.header()?;
        let body = self.start + HEADER;
        if self.end < body + length {
            return None;
        }
        self.start = body + length;
        Some((id, &self.buffer[body..body + length]))
    }

    fn header(&self) -> Option<(u64, usize)> {
        let (header, _) = self.buffer[self.start..self.end].split_first_chunk::<HEADER>()?;
        let (length, id) = header.split_first_chunk::<4>()?;
        let id = id.first_chunk::<8>()?;
        Some((
            u64::from_le_bytes(*id),
            u32::from_le_bytes(*length) as usize,
        ))
    }

    /// A cut frame stays where it is while its rest fits behind it: moving it would copy it twice.
    /// A read that fills the buffer means that more waits than it holds: larger then, up to a bound.
    fn make_room(&mut self) {
        let unread = self.end - self.start;
        let frame = self.header().map_or(HEADER, |(_, length)| HEADER + length);
        let cramped = unread < SHORT && self.buffer.len() - self.end < SHORT;
        if unread == 0 {
            self.start = 0;
            self.end = 0;
        } else if cramped || self.start + frame > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = unread;
        }
        if frame > self.buffer.len() || (self.filled && self.buffer.len() < LARGE) {
            let size = (self.buffer.len() * 2).min(LARGE).max(frame);
            self.buffer.resize(size, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_frame_waits_for_the_rest() {
        let mut bytes = Vec::new();
        put(&mut bytes, 7, b"first");
        put(&mut bytes, 8, b"second");
        let cut = bytes.len() - 1;
        let mut reader = Reader::new();
        reader.buffer[..cut].copy_from_slice(&bytes[..cut]);
        reader.end = cut;
        assert_eq!(reader.next(), Some((7, &b"first"[..])));
        assert_eq!(reader.next(), None);
        reader.make_room();
        reader.buffer[reader.end] = bytes[cut];
        reader.end += 1;
        assert_eq!(reader.next(), Some((8, &b"second"[..])));
    }

    #[test]
    fn partial_frame_moves_only_if_the_rest_does_not_fit() {
        let mut reader = Reader::new();
        for (start, moves) in [(SHORT, false), (SMALL - 2 * SHORT, true)] {
            let mut bytes = Vec::new();
            put(&mut bytes, 7, &[1; 3 * SHORT]);
            reader.start = start;
            reader.end = start + SHORT;
            reader.buffer[start..start + SHORT].copy_from_slice(&bytes[..SHORT]);
            reader.make_room();
            assert_eq!(reader.start, if moves { 0 } else { start });
            let rest = reader.end;
            reader.buffer[rest..rest + bytes.len() - SHORT].copy_from_slice(&bytes[SHORT..]);
            reader.end += bytes.len() - SHORT;
            assert_eq!(reader.next(), Some((7, &[1; 3 * SHORT][..])));
        }
    }
}
