//! Reads the messages of a connection, in any portions.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, request, response};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

use super::{
    BodyFraming,
    decoder::{Decoder, Step},
    error::MessageError,
    head,
};
use crate::{
    http::{HttpBody, Piece},
    net::Limits,
};

/// The space for a read, at first and when reads fill it.
const READ_SIZES: (usize, usize) = (8 * 1024, 64 * 1024);
/// The largest number of interim responses (1xx).
const MAX_INTERIM_RESPONSES: usize = 16;

/// Reads messages: a head, then its body to the end, then the next.
///
/// Bytes are read by [`poll_fill`](Reader::poll_fill), and `take_…` take messages from them.
/// [`request`](Reader::request), [`response`](Reader::response) and [`whole`](Reader::whole) do both, and
/// limit how long a message may take once it has begun.
pub(crate) struct Reader {
    buffer: BytesMut,
    /// The space for the next read.
    room: usize,
    /// Bytes of the buffer that were searched for the end of a head already.
    searched: usize,
    /// Whether an empty line was skipped before this message.
    skipped: bool,
    /// Whether the first line of an incomplete head was checked.
    begun: bool,
    body: Decoder,
    limits: Arc<Limits>,
}

/// The result of reading a body.
pub(crate) enum Body {
    /// A piece.
    Piece(Piece),
    /// More bytes must be read.
    More,
    /// The body is complete.
    Done,
}

/// The part of a body that has arrived.
pub(super) enum EagerBody {
    /// All of it.
    Whole(HttpBody),
    /// Its beginning.
    Partial(Vec<Piece>),
}

impl Reader {
    /// Continues after `first`, bytes that were read already.
    pub(crate) fn new(first: &[u8], limits: Arc<Limits>) -> Self {
        Reader {
            buffer: BytesMut::from(first),
            room: READ_SIZES.0,
            searched: 0,
            skipped: false,
            begun: false,
            body: Decoder::done(),
            limits,
        }
    }

    /// The bytes that were read and not taken.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    #[cfg(any(feature = "http-client", fuzzing, test))]
    /// Whether the body of the last message has been taken to its end.
    pub(crate) fn is_body_done(&self) -> bool {
        self.body.is_done()
    }

    /// Whether a message has begun and is incomplete.
    pub(crate) fn is_amid(&self) -> bool {
        !self.body.is_done() || !self.buffer.is_empty()
    }

    /// The bytes of the body still to come, if its length is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.body.left()
    }

    /// Reads more; returns the number of bytes, 0 at the end of the connection. The caller bounds the
    /// [`buffered`](Reader::buffered) bytes.
    pub(crate) fn poll_fill<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < READ_SIZES.0 / 4 {
            self.buffer.reserve(self.room.max(self.buffer.len()));
        }
        let polled = pin!(io.read_buf(&mut self.buffer)).poll(cx);
        if let Poll::Ready(Ok(_)) = polled {
            self.room = match self.buffer.len() == self.buffer.capacity() {
                true => READ_SIZES.1.min(self.room * 2),
                false => READ_SIZES.0,
            };
        }
        polled
    }

    /// Adds bytes as if they had been read.
    #[cfg(any(fuzzing, test))]
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    async fn fill<I: AsyncRead + Unpin>(&mut self, io: &mut I) -> std::io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_fill(io, cx)).await
    }

    /// Takes the head of the next request, if it is complete; the body of the one before must have been taken.
    pub(crate) fn take_request(
        &mut self,
    ) -> Result<Option<(request::Parts, BodyFraming)>, MessageError> {
        self.skip_empty_line();
        let Some(end) = self.find_end()? else {
            self.look_at_request_line()?;
            return Ok(None);
        };
        let head = head::request(&self.split_head(end))?;
        let framing = BodyFraming::of_request(head.version, &head.headers)?;
        self.body = Decoder::new(framing, self.limits.max_head_size);
        Ok(Some((head, framing)))
    }

    /// Takes the head of the next response, if it is complete, to a request with the method of `info`. Interim ones
    /// are returned, too, without a body.
    pub(crate) fn take_response(
        &mut self,
        info: &Method,
    ) -> Result<Option<(response::Parts, BodyFraming)>, MessageError> {
        let Some(end) = self.find_end()? else {
            return Ok(None);
        };
        let head = head::response(&self.split_head(end))?;
        let framing = BodyFraming::of_response(info, head.status, head.version, &head.headers)?;
        self.body = Decoder::new(framing, self.limits.max_head_size);
        Ok(Some((head, framing)))
    }

    /// Takes the next piece of the body, if it has arrived.
    pub(crate) fn take_body(&mut self) -> Result<Body, MessageError> {
        Ok(match self.body.take(&mut self.buffer)? {
            Step::Piece(piece) => Body::Piece(piece),
            Step::More => Body::More,
            Step::Done => Body::Done,
        })
    }

    /// Takes the whole body, if it has arrived and its length is known.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let left = usize::try_from(self.body.left()?).ok()?;
        if left > self.buffer.len() {
            return None;
        }
        self.body = Decoder::done();
        Some(self.buffer.split_to(left).freeze())
    }

    /// Takes the part of the body that has arrived.
    pub(super) fn take_all(&mut self) -> Result<EagerBody, MessageError> {
        let mut pieces = Vec::new();
        loop {
            match self.take_body()? {
                Body::Piece(piece) => pieces.push(piece),
                Body::More => return Ok(EagerBody::Partial(pieces)),
                Body::Done => return Ok(EagerBody::Whole(joined(pieces))),
            }
        }
    }

    /// The connection has ended: an error inside a message, unless its body ends like this.
    pub(crate) fn end(&mut self) -> Result<(), MessageError> {
        let ended = self.body.end();
        match ended && self.buffer.is_empty() {
            true => Ok(()),
            false => Err(MessageError::cut_off()),
        }
    }

    #[cfg(test)]
    /// Reads the next request; `None` if the connection has ended after the one before. Waits for the first
    /// byte without limit, and from then on at most `Limits::handshake_timeout`.
    pub(crate) async fn request<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
    ) -> Result<Option<(request::Parts, BodyFraming)>, MessageError> {
        self.head(io, |reader| reader.take_request()).await
    }

    /// Reads the response to a request with the method of `info`, without interim ones; `None` if the connection
    /// has ended before its first byte. Waits like [`request`](Reader::request).
    pub(crate) async fn response<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        info: &Method,
    ) -> Result<Option<(response::Parts, BodyFraming)>, MessageError> {
        for _ in 0..MAX_INTERIM_RESPONSES {
            let head = self.head(io, |reader| reader.take_response(info)).await?;
            match head {
                Some((head, _)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(MessageError::bad("the server switches protocols unasked"));
                }
                Some((head, _)) if head.status.is_informational() => {}
                head => return Ok(head),
            }
        }
        Err(MessageError::bad("interim responses do not end"))
    }

    async fn head<I: AsyncRead + Unpin, T>(
        &mut self,
        io: &mut I,
        take: impl Fn(&mut Self) -> Result<Option<T>, MessageError>,
    ) -> Result<Option<T>, MessageError> {
        let most = self.limits.handshake_timeout;
        let mut until = None;
        loop {
            if let Some(head) = take(self)? {
                return Ok(Some(head));
            }
            let amid = !self.buffer.is_empty();
            if amid && until.is_none() {
                until = Some(Instant::now() + most);
            }
            let read = match until {
                None => self.fill(io).await?,
                Some(until) => timeout_at(until, self.fill(io))
                    .await
                    .map_err(|_| MessageError::slow("a head", "handshake_timeout", most))??,
            };
            if read == 0 {
                return match amid {
                    true => Err(MessageError::cut_off()),
                    false => Ok(None),
                };
            }
        }
    }

    /// Reads the next piece of the body; `None` at its end. Waits without limit.
    pub(crate) async fn piece<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
    ) -> Result<Option<Piece>, MessageError> {
        loop {
            match self.take_body()? {
                Body::Piece(piece) => return Ok(Some(piece)),
                Body::Done => return Ok(None),
                Body::More if self.fill(io).await? == 0 => self.end()?,
                Body::More => {}
            }
        }
    }

    /// Reads the rest of the body and its trailers, at most `most` bytes, within `Limits::frame_timeout`.
    pub(crate) async fn whole<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        most: usize,
    ) -> Result<(Bytes, Option<HeaderMap>), MessageError> {
        let limit = self.limits.frame_timeout;
        let whole = self.gather(io, most);
        tokio::time::timeout(limit, whole)
            .await
            .map_err(|_| MessageError::slow("a body", "frame_timeout", limit))?
    }

    async fn gather<I: AsyncRead + Unpin>(
        &mut self,
        io: &mut I,
        most: usize,
    ) -> Result<(Bytes, Option<HeaderMap>), MessageError> {
        if let Some(left) = self.body.left() {
            if left > most as u64 {
                return Err(MessageError::too_large(most));
            }
            loop {
                if let Some(whole) = self.take_whole() {
                    return Ok((whole, None));
                }
                if self.fill(io).await? == 0 {
                    return Err(MessageError::cut_off());
                }
            }
        }
        let mut joined = BytesMut::new();
        let mut trailers = None;
        while let Some(piece) = self.piece(io).await? {
            match piece {
                Piece::Data(data) if joined.len() + data.len() > most => {
                    return Err(MessageError::too_large(most));
                }
                Piece::Data(data) => joined.extend_from_slice(&data),
                Piece::Trailers(last) => trailers = Some(last),
            }
        }
        Ok((joined.freeze(), trailers))
    }

    /// One empty line before a request is skipped: RFC 9112, section 2.2.
    fn skip_empty_line(&mut self) {
        if !self.skipped && self.buffer.starts_with(b"\r\n") {
            let _ = self.buffer.split_to(2);
            self.searched = 0;
            self.skipped = true;
        }
    }

    fn split_head(&mut self, end: usize) -> Bytes {
        self.searched = 0;
        self.skipped = false;
        self.begun = false;
        self.buffer.split_to(end).freeze()
    }

    /// The end of the head at the front of the buffer, its empty line included. A line that ends in a bare
    /// line feed, and a head over the limit, are refused as soon as they are seen.
    fn find_end(&mut self) -> Result<Option<usize>, MessageError> {
        while let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let line = &self.buffer[self.searched..self.searched + at];
            self.searched += at + 1;
            if self.searched > self.limits.max_head_size {
                return Err(self.head_too_large());
            }
            match line {
                b"\r" => return Ok(Some(self.searched)),
                [.., b'\r'] => {}
                _ => {
                    return Err(MessageError::bad(
                        "a line of the head ends in a bare line feed",
                    ));
                }
            }
        }
        // A line is searched again when more of it has arrived, since its carriage return may come before.
        if self.buffer.len() > self.limits.max_head_size {
            return Err(self.head_too_large());
        }
        Ok(None)
    }

    /// 414 while it is the first line that has no end, else 431.
    fn head_too_large(&self) -> MessageError {
        let most = self.limits.max_head_size;
        let line = &self.buffer[..self.buffer.len().min(most)];
        if memchr::memchr(b'\n', line).is_none() {
            return head::too_long();
        }
        MessageError::Refused(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the head is over the limit `max_head_size` of {most} bytes").into(),
        )
    }

    /// Refuses an invalid first line without waiting for the rest of the head.
    fn look_at_request_line(&mut self) -> Result<(), MessageError> {
        if self.begun {
            return Ok(());
        }
        match memchr::memchr(b'\n', &self.buffer) {
            Some(end) => {
                self.begun = true;
                head::request_line(&self.buffer[..end.saturating_sub(1)]).map(drop)
            }
            None if self.buffer.len() > head::MAX_TARGET_SIZE + 64 => Err(head::too_long()),
            None => Ok(()),
        }
    }
}

/// Joins the pieces of a body that arrived together.
fn joined(pieces: Vec<Piece>) -> HttpBody {
    let mut data = BytesMut::new();
    let mut whole = Bytes::new();
    let mut trailers = None;
    for piece in pieces {
        match piece {
            Piece::Trailers(last) => trailers = Some(Box::new(last)),
            Piece::Data(piece) if whole.is_empty() && data.is_empty() => whole = piece,
            Piece::Data(piece) => {
                data.extend_from_slice(&std::mem::take(&mut whole));
                data.extend_from_slice(&piece);
            }
        }
    }
    if !data.is_empty() {
        whole = data.freeze();
    }
    match trailers {
        Some(trailers) => HttpBody::Trailed(whole, trailers),
        None => HttpBody::Whole(whole),
    }
}
