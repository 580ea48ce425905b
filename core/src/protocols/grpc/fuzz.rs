//! Arbitrary bytes as framing, compression and header texts.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderValue;

use super::{head, messages::Messages, percent, timeout};
use crate::http::{HttpBody, Piece, compression::Encoding};

/// The largest message that a fuzzed reader accepts: small, so that it is reached.
const MESSAGE: usize = 64 * 1024;

/// Reads bytes as the body of a call, and as each header with a form of its own. The first byte chooses the
/// portions and the compression.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn body(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else {
        return;
    };
    let portion = usize::from(how >> 2) + 1;
    let encoding = ["", "gzip", "zstd", "identity"][usize::from(how & 3)];
    let encoding = Encoding::named(encoding).unwrap_or_default();
    let pieces = rest.chunks(portion).map(Bytes::copy_from_slice).collect();
    let body = HttpBody::stream(Chunks(pieces));
    let mut messages = Messages::new(body, encoding, MESSAGE, None);
    let mut cx = Context::from_waker(Waker::noop());
    let mut total = 0;
    while let Poll::Ready(Some(Ok(message))) = messages.poll_message(&mut cx) {
        assert!(message.len() <= MESSAGE);
        total += message.len();
        assert!(total <= MESSAGE * (rest.len() + 1));
    }
    if let Ok(text) = std::str::from_utf8(rest) {
        if let Some(time) = timeout::read(text) {
            assert!(timeout::read(timeout::write(time).to_str().unwrap_or_default()).is_some());
        }
        assert_eq!(percent::decode(percent::encode(text).as_bytes()), text);
    }
    let _ = percent::decode(rest);
    if let Ok(value) = HeaderValue::from_bytes(rest) {
        let _ = head::content_type(&value, Some(&value));
    }
}

struct Chunks(std::collections::VecDeque<Bytes>);

impl futures_core::Stream for Chunks {
    type Item = crate::error::Result<Piece>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Piece::Data(piece))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::protocols::envelope::encode;

    #[test]
    fn earlier_findings_and_cut_messages_are_read() {
        let mut bytes = encode(0, b"hello").unwrap().to_vec();
        bytes.extend_from_slice(&encode(1, b"\x1f\x8b\x08").unwrap());
        bytes.extend_from_slice(&[0, 255, 255, 255, 255]);
        for how in 0..=255 {
            for cut in 0..=bytes.len() {
                body(&[&[how], &bytes[..cut]].concat());
            }
        }
        for text in [
            "8H",
            "99999999M",
            "%",
            "%4",
            "%zz",
            "application/grpc+",
            "\u{e4}",
        ] {
            body(&[b"\0", text.as_bytes()].concat());
        }
    }
}
