//! The decoders as a fuzz target sees them: any bytes, in any portions.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    frame::{self, kind},
    preface::{Parsed, Preface},
    reader::{Frame, Reader},
};
use crate::error::Result;

/// The largest message that a fuzzed reader takes: small, so that it is reached.
const MESSAGE: usize = 64 * 1024;

/// Reads bytes as both sides of a connection would: a preface if there is one, then frames, each
/// decoded by its kind. The first byte says in what portions the rest comes.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn frames(bytes: &[u8]) {
    let Some((portion, mut rest)) = bytes.split_first() else {
        return;
    };
    if let Ok(Parsed::Complete(preface, _, length)) = Preface::read(rest) {
        let _ = preface.version();
        rest = &rest[length..];
    }
    let _ = each_frame(rest, usize::from(*portion) + 1, &mut |frame| {
        decode(frame);
        Ok(())
    });
}

fn decode(frame: Frame<'_>) {
    match frame.header.kind {
        kind::REQUEST | kind::WITHDRAWN => {
            if let Some(read) = frame::read_request(frame.head()) {
                // Iterates what was checked.
                assert!(read.metadata.iter().count() <= frame.head().len());
            }
        }
        kind::RESPONSE | kind::END | kind::GO_AWAY => {
            let _ = frame::read_status(frame.head());
        }
        _ => {}
    }
    let length = frame.body_length();
    assert_eq!(frame.tail().len(), length);
    assert_eq!(frame.keep().body().len(), length);
}

/// Hands on each frame of `bytes` read in portions of so many, as off a socket.
pub(super) fn each_frame(
    bytes: &[u8],
    portion: usize,
    each: &mut dyn FnMut(Frame<'_>) -> Result<()>,
) -> Result<()> {
    let mut source = Portions { bytes, portion };
    let mut reader = Reader::new(MESSAGE, Vec::new()).looking_ahead();
    let cx = &mut Context::from_waker(Waker::noop());
    loop {
        let read = pin!(poll_fn(|cx| reader.poll_frames(&mut source, cx, each)));
        match read.poll(cx) {
            Poll::Ready(Ok(0)) => return Ok(()),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => unreachable!("portions are always ready"),
        }
    }
}

struct Portions<'a> {
    bytes: &'a [u8],
    portion: usize,
}

impl AsyncRead for Portions<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let most = self.portion.min(buffer.remaining()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(most);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::{
        super::{frame::write_bare, golden},
        *,
    };
    use crate::random::Rng;
    use std::path::PathBuf;

    #[test]
    fn corpus_is_read_without_a_panic() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/frames");
        let files: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
        assert!(files.len() >= 10);
        for file in files {
            frames(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }

    #[test]
    fn damaged_recordings_are_read_without_a_panic() {
        let rng = Rng::seeded(7);
        let recorded = golden::bytes();
        for round in 0..20_000 {
            let mut bytes = vec![rng.number() as u8];
            for _ in 0..=round % 4 {
                bytes.extend(&recorded[rng.number() as usize % recorded.len()]);
            }
            for _ in 0..=rng.number() % 4 {
                let at = 1 + rng.number() as usize % (bytes.len() - 1);
                match rng.number() % 4 {
                    0 => bytes[at] = rng.number() as u8,
                    1 => bytes[at] ^= 1 << (rng.number() % 8),
                    2 => drop(bytes.drain(at..(at + 3).min(bytes.len()))),
                    _ => bytes.insert(at, rng.number() as u8),
                }
                if bytes.len() < 2 {
                    break;
                }
            }
            frames(&bytes);
        }
    }

    /// Kind, id, head and body of each frame.
    fn cut(bytes: &[u8], portion: usize) -> Vec<(u8, u64, Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        each_frame(bytes, portion, &mut |frame| {
            let (header, head) = (frame.header, frame.head().to_vec());
            all.push((header.kind, header.id, head, frame.body().to_vec()));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn frames_are_the_same_however_they_are_delivered() {
        let frames: Vec<u8> = golden::bytes()
            .into_iter()
            .filter(|bytes| !bytes.starts_with(&super::super::preface::MAGIC))
            .flatten()
            .collect();
        let whole = cut(&frames, usize::MAX);
        assert!(whole.len() > 40);
        for portion in 1..400 {
            assert_eq!(cut(&frames, portion), whole, "in portions of {portion}");
        }
    }

    #[test]
    fn large_frames_are_the_same_however_they_are_delivered() {
        let mut bytes = Vec::new();
        for (id, size) in [
            (1, 3),
            (2, 8 * 1024 - 1),
            (3, 8 * 1024),
            (4, 60_000),
            (5, 0),
        ] {
            let body: Vec<u8> = (0..size).map(|n: usize| n as u8).collect();
            write_bare(&mut bytes, kind::DATA, id, &body);
        }
        let whole = cut(&bytes, usize::MAX);
        for portion in [1, 7, 15, 16, 17, 1024, 4096, 8191, 8192, 8208, 20_000] {
            assert_eq!(cut(&bytes, portion), whole, "in portions of {portion}");
        }
    }

    #[test]
    fn too_large_frame_length_fails_with_the_limit_named() {
        let mut bytes = Vec::new();
        write_bare(&mut bytes, kind::DATA, 1, b"");
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = each_frame(&bytes, 1, &mut |_| Ok(())).unwrap_err();
        assert!(
            error.message().contains("limit `max_message_size`"),
            "{error}"
        );
    }

    #[test]
    fn head_longer_than_its_frame_is_an_error() {
        let mut bytes = Vec::new();
        write_bare(&mut bytes, kind::DATA, 1, b"body");
        bytes[6] = 5;
        let error = each_frame(&bytes, 99, &mut |_| Ok(())).unwrap_err();
        assert!(error.message().contains("claims a head of 5"), "{error}");
    }

    #[test]
    fn requests_cancelled_in_their_batch_are_marked() {
        let mut bytes = Vec::new();
        for (kind, id) in [(kind::REQUEST, 1), (kind::REQUEST, 2), (kind::CANCEL, 1)] {
            write_bare(&mut bytes, kind, id, b"");
        }
        let marked = |portion| {
            let mut marked = Vec::new();
            let _ = each_frame(&bytes, portion, &mut |frame| {
                if frame.header.kind == kind::REQUEST
                    && frame.fate == super::super::reader::Disposition::Cancelled
                {
                    marked.push(frame.header.id);
                }
                Ok(())
            });
            marked
        };
        assert_eq!(marked(usize::MAX), [1]);
        assert!(marked(16).is_empty());
    }
}
