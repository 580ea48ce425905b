//! The buffer of encoders: one vector, which becomes [`Bytes`] without a copy.

use std::{fmt::Display, io};

use bytes::Bytes;

use crate::{codec::wrong, error::Result, message::ContentType};

/// The initial capacity, which suffices for most messages. Measured on a greeting of 40 bytes: 31 ns to encode, where a
/// buffer on the stack, copied into an allocation of the exact size, took 39 ns.
const FIRST: usize = 128;

/// The capacity reserved behind a long field, so that its bytes are not moved again.
const AHEAD: usize = 1024;

/// A writer that becomes [`Bytes`].
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    #[inline]
    pub(super) fn new() -> Self {
        Buffer(Vec::with_capacity(FIRST))
    }

    /// Encodes a `T` with `write`.
    #[inline]
    pub(super) fn filled<T, E: Display>(
        content_type: &ContentType,
        write: impl FnOnce(&mut Self) -> std::result::Result<(), E>,
    ) -> Result<Bytes> {
        let mut buffer = Buffer::new();
        match write(&mut buffer) {
            Ok(()) => Ok(buffer.finish()),
            Err(error) => Err(wrong::write::<T>(content_type, error)),
        }
    }

    /// Returns the written bytes.
    #[inline]
    pub(super) fn finish(self) -> Bytes {
        Bytes::from(self.0)
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if bytes.len() > AHEAD {
            self.0.reserve(bytes.len() + AHEAD);
        }
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Inserts `bytes` before what was written from `at` on.
    pub(super) fn insert(&mut self, at: usize, bytes: &[u8]) {
        self.0.splice(at..at, bytes.iter().copied());
    }
}

impl io::Write for Buffer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.append(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn written_bytes_are_the_same_whatever_their_size() {
        for size in [0, 1, FIRST, FIRST + 1, 3 * AHEAD] {
            for step in [1, 7, AHEAD, AHEAD + 1] {
                let all: Vec<u8> = (0..size).map(|n| n as u8).collect();
                let mut buffer = Buffer::new();
                for piece in all.chunks(step) {
                    buffer.write_all(piece).expect("memory takes everything");
                }
                assert_eq!(buffer.finish(), all, "{size} bytes by {step}");
            }
        }
    }
}
