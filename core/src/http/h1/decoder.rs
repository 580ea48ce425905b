//! Decodes bodies from a buffer, piece by piece: by length, in chunks (RFC 9112, section 7.1), or to the end.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};

use super::{BodyFraming, error::MessageError, head};
use crate::http::Piece;

/// The longest line with a chunk's size and extensions.
const MAX_CHUNK_LINE: usize = 256;

/// Decodes one body.
pub(super) struct Decoder {
    state: State,
    /// The limit of trailers, and of all chunk extensions together, in bytes.
    head: usize,
    /// Bytes of chunk extensions so far.
    extensions: usize,
}

#[derive(Clone, Copy)]
enum State {
    /// Bytes that are still to come.
    Length(u64),
    UntilClose,
    /// A line with a chunk's size is next.
    Size,
    /// Bytes of a chunk that are still to come.
    Chunk(u64),
    /// The end of line after a chunk's bytes.
    ChunkEnd,
    Trailers,
    Done,
}

/// The result of looking at a buffer.
pub(super) enum Step {
    Piece(Piece),
    /// More bytes are needed.
    More,
    Done,
}

impl Decoder {
    /// A body that is complete.
    pub(super) fn done() -> Self {
        Decoder::new(BodyFraming::None, 0)
    }

    /// A new body; `head` is the limit of its trailers in bytes.
    pub(super) fn new(framing: BodyFraming, head: usize) -> Self {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::Done,
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::Size,
            BodyFraming::UntilClose => State::UntilClose,
        };
        Decoder {
            state,
            head,
            extensions: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The bytes that are still to come, if their number is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// The connection has ended. Returns whether that is a proper end of the body.
    pub(super) fn end(&mut self) -> bool {
        if matches!(self.state, State::UntilClose) {
            self.state = State::Done;
        }
        self.is_done()
    }

    /// Returns the next piece in the buffer.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Step, MessageError> {
        loop {
            match self.state {
                State::Done => return Ok(Step::Done),
                _ if buffer.is_empty() => return Ok(Step::More),
                State::UntilClose => {
                    return Ok(Step::Piece(Piece::Data(buffer.split().freeze())));
                }
                State::Length(left) => {
                    let (data, left) = split(buffer, left);
                    self.state = match left {
                        0 => State::Done,
                        left => State::Length(left),
                    };
                    return Ok(Step::Piece(Piece::Data(data)));
                }
                State::Chunk(left) => {
                    let (data, left) = split(buffer, left);
                    self.state = match left {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                    return Ok(Step::Piece(Piece::Data(data)));
                }
                State::ChunkEnd => {
                    if !b"\r\n".starts_with(&buffer[..buffer.len().min(2)]) {
                        return Err(MessageError::bad("a chunk is longer than its size"));
                    }
                    if buffer.len() < 2 {
                        return Ok(Step::More);
                    }
                    buffer.advance(2);
                    self.state = State::Size;
                }
                State::Size => {
                    let Some(size) = self.take_size(buffer)? else {
                        return Ok(Step::More);
                    };
                    self.state = match size {
                        0 => State::Trailers,
                        size => State::Chunk(size),
                    };
                }
                State::Trailers => {
                    let Some(trailers) = self.take_trailers(buffer)? else {
                        return Ok(Step::More);
                    };
                    self.state = State::Done;
                    if !trailers.is_empty() {
                        return Ok(Step::Piece(Piece::Trailers(trailers)));
                    }
                }
            }
        }
    }

    /// Reads the size of the next chunk.
    fn take_size(&mut self, buffer: &mut BytesMut) -> Result<Option<u64>, MessageError> {
        let seen = &buffer[..buffer.len().min(MAX_CHUNK_LINE)];
        let Some(end) = memchr::memchr(b'\n', seen) else {
            check_size_so_far(seen)?;
            if seen.len() == MAX_CHUNK_LINE {
                let why = format!("the line of a chunk's size is over {MAX_CHUNK_LINE} bytes");
                return Err(MessageError::bad(why));
            }
            return Ok(None);
        };
        let line = seen[..end]
            .strip_suffix(b"\r")
            .ok_or_else(|| MessageError::bad("a chunk's size ends in a bare line feed"))?;
        let (size, extensions) = read_size(line)?;
        self.extensions += extensions;
        if self.extensions > self.head {
            return Err(MessageError::bad(format!(
                "chunk extensions are over the limit `max_head_size` of {} bytes",
                self.head
            )));
        }
        buffer.advance(end + 1);
        Ok(Some(size))
    }

    /// Reads the fields after the last chunk, without those that would change the message's framing.
    fn take_trailers(&self, buffer: &mut BytesMut) -> Result<Option<HeaderMap>, MessageError> {
        let mut from = 0;
        let end = loop {
            let Some(line) = memchr::memchr(b'\n', &buffer[from..]) else {
                if buffer.len() > self.head {
                    return Err(self.too_many());
                }
                return Ok(None);
            };
            match &buffer[from..from + line] {
                b"\r" => break from + line + 1,
                [.., b'\r'] => from += line + 1,
                _ => return Err(MessageError::bad("a trailer ends in a bare line feed")),
            }
        };
        if end > self.head {
            return Err(self.too_many());
        }
        let section = buffer.split_to(end).freeze();
        let mut trailers = head::fields(&section, 0)?;
        for forbidden in [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::HOST,
            header::CONNECTION,
            header::TRAILER,
        ] {
            trailers.remove(forbidden);
        }
        Ok(Some(trailers))
    }

    fn too_many(&self) -> MessageError {
        let why = format!(
            "trailers are over the limit `max_head_size` of {} bytes",
            self.head
        );
        MessageError::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why.into())
    }
}

/// Up to `left` bytes of the buffer, and how many remain.
fn split(buffer: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let here = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    (buffer.split_to(here).freeze(), left - here as u64)
}

/// A chunk's size and the length of its extensions. Sizes of 2^60 and more are refused.
fn read_size(line: &[u8]) -> Result<(u64, usize), MessageError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.count();
    let (number, extensions) = line.split_at(digits);
    if digits == 0 {
        return Err(MessageError::bad("a chunk has no size"));
    }
    if digits > 15 {
        return Err(MessageError::bad("a chunk's size is over 15 digits"));
    }
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let starts_well = extensions.is_empty()
        || extensions
            .trim_ascii_start()
            .strip_prefix(b";")
            .is_some_and(|rest| !rest.trim_ascii().is_empty());
    if !starts_well || !extensions.iter().all(is_text) {
        return Err(MessageError::bad("a chunk's size is no hexadecimal number"));
    }
    let size = std::str::from_utf8(number)
        .ok()
        .and_then(|number| u64::from_str_radix(number, 16).ok());
    let size = size.ok_or_else(|| MessageError::bad("a chunk's size is no hexadecimal number"))?;
    Ok((size, extensions.len()))
}

/// Refuses a line that cannot become a chunk's size, without waiting for its end.
fn check_size_so_far(seen: &[u8]) -> Result<(), MessageError> {
    match seen.first() {
        Some(first) if !first.is_ascii_hexdigit() => Err(MessageError::bad("a chunk has no size")),
        _ if seen.len() > 15 && seen.iter().all(u8::is_ascii_hexdigit) => {
            Err(MessageError::bad("a chunk's size is over 15 digits"))
        }
        _ => Ok(()),
    }
}
