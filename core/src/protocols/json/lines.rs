//! The messages of a stream, one JSON value a line: `application/x-ndjson`.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::{
    error::{Error, Outcome, Result},
    http::{HttpBody, Piece, too_large},
    message::BodyStream,
};

/// Outgoing messages, each followed by a line feed.
pub(super) struct Lines {
    messages: BodyStream,
    /// Whether a line feed is due.
    ends: bool,
}

impl Lines {
    pub(super) fn new(messages: BodyStream) -> Self {
        Lines {
            messages,
            ends: false,
        }
    }
}

impl Stream for Lines {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.ends) {
            return Poll::Ready(Some(Ok(Piece::Data(Bytes::from_static(b"\n")))));
        }
        self.messages.as_mut().poll_next(cx).map(|message| {
            self.ends = true;
            message.map(|message| message.map(Piece::Data))
        })
    }
}

/// Incoming messages, without line feeds.
pub(super) struct Messages {
    body: HttpBody,
    buffer: BytesMut,
    /// Bytes of the buffer without a line feed.
    searched: usize,
    /// The largest size of a line.
    most: usize,
    ended: bool,
}

impl Messages {
    pub(super) fn new(body: HttpBody, most: usize) -> Self {
        Messages {
            body,
            buffer: BytesMut::new(),
            searched: 0,
            most,
            ended: false,
        }
    }

    /// Stops reading.
    fn give_up(&mut self) {
        self.ended = true;
        self.searched = 0;
        self.buffer.clear();
    }

    fn take_line(&mut self) -> Option<Bytes> {
        loop {
            let end = memchr::memchr(b'\n', &self.buffer[self.searched..]);
            let line = match end {
                Some(at) => self.buffer.split_to(self.searched + at + 1),
                None if self.ended && !self.buffer.is_empty() => self.buffer.split(),
                None => {
                    self.searched = self.buffer.len();
                    return None;
                }
            };
            self.searched = 0;
            let line = line.freeze();
            let text = line.trim_ascii();
            if !text.is_empty() {
                return Some(line.slice_ref(text));
            }
        }
    }
}

impl Stream for Messages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(line) = this.take_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            if this.buffer.len() > this.most {
                this.give_up();
                return Poll::Ready(Some(Err(too_large(this.most))));
            }
            match ready!(this.body.poll_piece(cx)).transpose() {
                Ok(Some(Piece::Data(data))) => this.buffer.extend_from_slice(&data),
                Ok(Some(Piece::Trailers(_)) | None) => this.ended = true,
                Err(error) => {
                    this.give_up();
                    let error = Error::with_outcome(error, Outcome::Unknown);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn lines_are_messages_in_any_portions() {
        let text = "{\"a\":1}\n\r\n{}\r\n[2]";
        for portion in 1..text.len() {
            let pieces: Vec<_> = text
                .as_bytes()
                .chunks(portion)
                .map(Bytes::copy_from_slice)
                .collect();
            let pieces = pieces.into_iter().map(Piece::Data).collect();
            let body = HttpBody::stream(crate::http::body::tests::Parts(pieces));
            let mut messages = Messages::new(body, 20);
            let mut all = Vec::new();
            while let Some(message) = poll_fn(|cx| Pin::new(&mut messages).poll_next(cx)).await {
                all.push(message.unwrap());
            }
            assert_eq!(all, ["{\"a\":1}", "{}", "[2]"]);
        }
    }

    #[tokio::test]
    async fn line_over_the_limit_is_an_error() {
        let body = HttpBody::Whole("x".repeat(30).into());
        let mut messages = Messages::new(body, 20);
        let error = poll_fn(|cx| Pin::new(&mut messages).poll_next(cx)).await;
        assert!(
            error
                .unwrap()
                .unwrap_err()
                .message()
                .contains("limit `max_message_size`")
        );
        assert!(
            poll_fn(|cx| Pin::new(&mut messages).poll_next(cx))
                .await
                .is_none()
        );
    }
}
