//! Enveloped messages: a byte of flags, four of length (big endian), the message. gRPC, gRPC-Web and
//! the streams of Connect are made of them.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};

use crate::{
    error::{Error, Result},
    http::{
        HttpBody, Piece,
        compression::Encoding,
        intake::{BodyRate, Intake},
        too_large,
    },
    time::{self, NEVER, Nanos},
};

/// Size of the prefix of each message, in bytes.
pub(crate) const PREFIX: usize = 5;
/// The flag of a compressed message.
pub(crate) const COMPRESSED: u8 = 1;

/// A received message with its flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) flags: u8,
    pub(crate) message: Bytes,
}

impl Envelope {
    /// Decompresses the message to at most `most` bytes. `named` is the header that names the encoding.
    ///
    /// # Errors
    /// `Internal` if the message is compressed and there is no such header.
    pub(crate) fn open(
        self,
        encoding: Option<Encoding>,
        most: usize,
        named: &HeaderName,
    ) -> Result<Bytes> {
        match (self.flags & COMPRESSED, encoding) {
            (0, _) => Ok(self.message),
            (_, Some(encoding)) => encoding.decompress(&self.message, most),
            (_, None) => Err(Error::internal(format!(
                "a message is compressed, and `{named}` does not say how"
            ))),
        }
    }
}

/// Encodes a message with its envelope.
///
/// # Errors
/// `ResourceExhausted` for a message of 4 GiB or more.
pub(crate) fn encode(flags: u8, message: &[u8]) -> Result<Bytes> {
    let mut encoded = BytesMut::new();
    encode_into(&mut encoded, flags, message)?;
    Ok(encoded.freeze())
}

/// Appends a message with its envelope.
///
/// # Errors
/// As [`encode`]; on an error nothing is appended.
pub(crate) fn encode_into(encoded: &mut BytesMut, flags: u8, message: &[u8]) -> Result<()> {
    let prefix = prefix(flags, message)?;
    encoded.reserve(PREFIX + message.len());
    encoded.put_slice(&prefix);
    encoded.put_slice(message);
    Ok(())
}

/// Encodes the prefix of an envelope.
///
/// # Errors
/// As [`encode`].
pub(crate) fn prefix(flags: u8, message: &[u8]) -> Result<[u8; PREFIX]> {
    let length = u32::try_from(message.len()).map_err(|_| too_large(u32::MAX as usize))?;
    let [a, b, c, d] = length.to_be_bytes();
    Ok([flags, a, b, c, d])
}

/// Reads the messages of a body.
#[derive(Debug)]
pub(crate) struct Envelopes {
    body: HttpBody,
    /// Received bytes that are not read yet.
    piece: Bytes,
    /// The start of a message that arrives in several pieces.
    begun: BytesMut,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// Messages read: a body with more than one is a stream.
    read: u32,
    /// Maximum size of a message, in bytes.
    most: usize,
    /// Limits for reading the body at a server.
    intake: Option<Arc<Intake>>,
    pace: BodyRate,
}

/// Maximum buffer size reserved from the length in a prefix, in bytes. The buffer grows with the data.
const MAX_RESERVED_SIZE: usize = 64 * 1024;

impl Envelopes {
    pub(crate) fn new(body: HttpBody, most: usize) -> Self {
        let intake = body.intake().cloned();
        let (piece, trailers, body) = match body {
            HttpBody::Whole(data) => (data, None, HttpBody::empty()),
            HttpBody::Trailed(data, trailers) => (data, Some(*trailers), HttpBody::empty()),
            body => (Bytes::new(), None, body),
        };
        Envelopes {
            body,
            piece,
            begun: BytesMut::new(),
            trailers,
            ended: false,
            read: 0,
            most,
            intake,
            pace: BodyRate::default(),
        }
    }

    /// Ready with an error if a body at a server arrives too slowly; polled while waiting for its next bytes.
    pub(crate) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        match &self.intake {
            Some(intake) => self.pace.poll_late(intake, cx),
            None => Poll::Pending,
        }
    }

    /// Returns the next piece. Between messages, a server at its limit of bytes waits; inside a message, the rest must
    /// arrive, and in time.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        let Some(intake) = &self.intake else {
            return self.body.poll_piece(cx);
        };
        let amid = !self.begun.is_empty();
        if !amid && self.read > 1 && intake.poll_room(cx).is_pending() {
            return Poll::Pending;
        }
        match self.body.poll_piece(cx) {
            Poll::Pending if amid => self.poll_late(cx).map(|error| Some(Err(error))),
            Poll::Ready(Some(Ok(Piece::Data(data)))) if !data.is_empty() => {
                self.pace.received(data.len());
                let held = intake.hold(self.begun.len() + data.len(), self.read > 1);
                Poll::Ready(Some(held.map(|()| Piece::Data(data))))
            }
            piece => piece,
        }
    }

    /// Returns the next message; `None` at the end.
    ///
    /// # Errors
    /// `ResourceExhausted` for a message over the limit, as soon as its length is known; `Internal` if
    /// the body ends inside a message; the body's own errors.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Envelope>>> {
        loop {
            match self.take() {
                Ok(None) => {}
                Ok(Some(envelope)) => {
                    self.read = self.read.saturating_add(1);
                    self.pace.begin();
                    return Poll::Ready(Some(Ok(envelope)));
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if self.ended {
                if self.begun.is_empty() {
                    return Poll::Ready(None);
                }
                self.begun.clear();
                let error = Error::internal("the body ended within a message");
                return Poll::Ready(Some(Err(error)));
            }
            match ready!(self.poll_piece(cx)) {
                Some(Ok(Piece::Data(data))) => self.piece = data,
                Some(Ok(Piece::Trailers(trailers))) => self.trailers = Some(trailers),
                Some(Err(error)) => {
                    self.ended = true;
                    self.begun.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.ended = true,
            }
        }
    }

    #[cfg(test)]
    /// Returns the next message; `None` at the end.
    pub(crate) async fn message(&mut self) -> Option<Result<Envelope>> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Returns the trailers.
    pub(crate) fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Takes a message from the received bytes, if one is complete.
    fn take(&mut self) -> Result<Option<Envelope>> {
        if self.begun.is_empty() {
            let Some(length) = self.length(&self.piece)? else {
                self.begun.extend_from_slice(&self.piece);
                self.piece = Bytes::new();
                return Ok(None);
            };
            if self.piece.len() >= PREFIX + length {
                let flags = self.piece.get_u8();
                self.piece.advance(PREFIX - 1);
                let message = self.piece.split_to(length);
                return Ok(Some(Envelope { flags, message }));
            }
            self.begun.reserve((PREFIX + length).min(MAX_RESERVED_SIZE));
        }
        self.fill(PREFIX);
        let Some(length) = self.length(&self.begun)? else {
            return Ok(None);
        };
        self.fill(PREFIX + length);
        if self.begun.len() < PREFIX + length {
            return Ok(None);
        }
        let mut whole = std::mem::take(&mut self.begun).freeze();
        let flags = whole.get_u8();
        whole.advance(PREFIX - 1);
        Ok(Some(Envelope {
            flags,
            message: whole,
        }))
    }

    /// Moves received bytes to the current message, up to a size.
    fn fill(&mut self, length: usize) {
        let lacking = length.saturating_sub(self.begun.len());
        let more = self.piece.split_to(lacking.min(self.piece.len()));
        self.begun.extend_from_slice(&more);
    }

    /// The length in a prefix; `None` while the prefix is incomplete.
    fn length(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some((_, length)) = bytes
            .first_chunk::<PREFIX>()
            .and_then(|prefix| prefix.split_first_chunk::<1>())
        else {
            return Ok(None);
        };
        let length = length
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        if length > self.most {
            return Err(too_large(self.most));
        }
        Ok(Some(length))
    }
}

/// Returns the only message of a body; `first` keeps it between polls.
///
/// # Errors
/// `Unimplemented` if there is none or more than one: the call has another shape.
pub(crate) fn poll_only(
    first: &mut Option<Bytes>,
    mut next: impl FnMut() -> Poll<Option<Result<Bytes>>>,
) -> Poll<Result<Bytes>> {
    loop {
        match ready!(next()).transpose()? {
            Some(_) if first.is_some() => {
                let error = "a second message came where one was expected";
                return Poll::Ready(Err(Error::unimplemented(error)));
            }
            Some(message) => *first = Some(message),
            None => {
                return Poll::Ready(first.take().ok_or_else(|| {
                    Error::unimplemented("no message came where one was expected")
                }));
            }
        }
    }
}

/// The result of reading a request before the deadline of its call.
pub(crate) async fn before<T>(
    deadline: Nanos,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    if deadline == NEVER {
        return future.await;
    }
    tokio::time::timeout_at(time::instant(deadline), future)
        .await
        .unwrap_or_else(|_| {
            Err(Error::deadline_exceeded(
                "the time ran out before the request had come whole",
            ))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::{error::Code, http::body::tests::Parts};

    /// Reads messages from bytes that are split into pieces of a size.
    async fn read(bytes: &[u8], by: usize, most: usize) -> Vec<Result<Envelope>> {
        let pieces = bytes
            .chunks(by)
            .map(|piece| Piece::Data(Bytes::copy_from_slice(piece)))
            .collect();
        let mut envelopes = Envelopes::new(HttpBody::stream(Parts(pieces)), most);
        let mut all = Vec::new();
        while let Some(envelope) = envelopes.message().await {
            let failed = envelope.is_err();
            all.push(envelope);
            if failed {
                break;
            }
        }
        all
    }

    #[tokio::test]
    async fn messages_survive_however_the_bytes_are_split() {
        let mut bytes = Vec::new();
        for (flags, message) in [(0, "hello"), (1, ""), (0, "a longer one")] {
            bytes.extend_from_slice(&encode(flags, message.as_bytes()).unwrap());
        }
        for by in 1..=bytes.len() {
            let all = read(&bytes, by, 12).await;
            let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
            let flat: Vec<_> = all.iter().map(|e| (e.flags, &e.message[..])).collect();
            let expected: [(u8, &[u8]); 3] = [(0, b"hello"), (1, b""), (0, b"a longer one")];
            assert_eq!(flat, expected, "cut by {by}");
        }
    }

    #[tokio::test]
    async fn message_over_the_limit_is_refused_by_its_prefix() {
        for by in [1, 5] {
            let all = read(&[0, 0, 0, 0, 13], by, 12).await;
            let error = all.into_iter().next().unwrap().unwrap_err();
            assert_eq!(error.code(), Code::ResourceExhausted);
        }
    }

    #[tokio::test]
    async fn prefix_alone_reserves_little() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let pending = HttpBody::stream(Prefix(Some(Bytes::from_static(&[0, 0, 0x40, 0, 0]))));
        let mut envelopes = Envelopes::new(pending, 4 << 20);
        assert!(envelopes.poll_message(&mut cx).is_pending());
        let reserved = envelopes.begun.capacity();
        assert!(reserved <= 2 * MAX_RESERVED_SIZE, "{reserved} bytes");
    }

    /// Bytes, and then nothing.
    struct Prefix(Option<Bytes>);

    impl futures_core::Stream for Prefix {
        type Item = Result<Piece>;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Self::Item>> {
            match self.0.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Piece::Data(bytes)))),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn body_that_ends_inside_a_message_is_an_error() {
        for cut in 1..7 {
            let encoded = encode(0, b"hello").unwrap();
            let all = read(&encoded[..cut], 3, 12).await;
            let error = all.into_iter().next().unwrap().unwrap_err();
            assert_eq!(error.code(), Code::Internal, "cut at {cut}");
        }
    }
}
