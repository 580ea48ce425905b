//! Where encoders write: a small message never leaves the stack until its size is known.

use std::io;

use bytes::Bytes;

/// What fits is copied once, into an allocation of just its size; `Bytes` needs no second one then.
const SMALL: usize = 256;

/// A writer that ends as [`Bytes`].
pub(super) struct Buffer {
    small: [u8; SMALL],
    used: usize,
    /// Everything, as soon as it is more than `small` holds.
    large: Vec<u8>,
}

impl Buffer {
    #[inline]
    pub(super) fn new() -> Self {
        Buffer {
            small: [0; SMALL],
            used: 0,
            large: Vec::new(),
        }
    }

    /// What was written.
    #[inline]
    pub(super) fn finish(self) -> Bytes {
        if self.large.is_empty() {
            Bytes::copy_from_slice(&self.small[..self.used])
        } else {
            Bytes::from(self.large)
        }
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if self.large.is_empty() && end <= SMALL {
            self.small[self.used..end].copy_from_slice(bytes);
            self.used = end;
        } else {
            self.append_large(bytes);
        }
    }

    #[cold]
    fn append_large(&mut self, bytes: &[u8]) {
        if self.large.is_empty() {
            // Room for what follows a long field, so that its bytes are not moved again.
            self.large.reserve(self.used + bytes.len() + 4 * SMALL);
            self.large.extend_from_slice(&self.small[..self.used]);
        }
        self.large.extend_from_slice(bytes);
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
    fn what_is_written_comes_out_whatever_its_size() {
        for size in [0, 1, SMALL - 1, SMALL, SMALL + 1, 10 * SMALL] {
            for step in [1, 7, SMALL, 4 * SMALL] {
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
