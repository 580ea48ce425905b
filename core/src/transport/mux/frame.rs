//! Frames of the native protocol as bytes; `PROTOCOL.md` specifies them.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    context::{Context, Criticality, Trace},
    error::{Code, Error, Outcome},
    message::ContentType,
    metadata::Metadata,
    time::{NEVER, Nanos},
};

/// Bytes before every frame: length (u32), kind (u8), flags (u8), head length (u16), id (u64).
pub(super) const HEADER: usize = 16;

/// Kinds of frame. Unknown ones are skipped by their length.
pub(super) mod kind {
    pub(crate) const REQUEST: u8 = 1;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const DATA: u8 = 3;
    pub(crate) const END: u8 = 4;
    pub(crate) const CREDIT: u8 = 5;
    pub(crate) const CANCEL: u8 = 6;
    pub(crate) const PING: u8 = 7;
    pub(crate) const PONG: u8 = 8;
    pub(crate) const GO_AWAY: u8 = 9;
    /// A request withdrawn before it was sent: only the name that it defines counts.
    pub(crate) const WITHDRAWN: u8 = 10;
}

/// On REQUEST and RESPONSE: the body is a stream, whose messages follow as DATA.
pub(super) const STREAM: u8 = 1;

/// Tags of header fields: tag (u8), length (u16), value.
mod field {
    pub(super) const SERVICE: u8 = 1;
    pub(super) const ENDPOINT: u8 = 2;
    pub(super) const NAME: u8 = 3;
    pub(super) const CONTENT_TYPE: u8 = 4;
    pub(super) const TRACE: u8 = 5;
    pub(super) const METADATA: u8 = 6;
    pub(super) const MESSAGE: u8 = 7;
    pub(super) const ORIGIN: u8 = 8;
    pub(super) const RETRY_AFTER: u8 = 9;
}

/// The fixed part of a request's head.
const REQUEST_FIXED: usize = 16;
/// The fixed part of a response's or an end's head.
const STATUS_FIXED: usize = 8;

/// The header of every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes that follow the header.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// How many of those bytes are the head; the rest is the body.
    pub(super) head: u16,
    pub(super) id: u64,
}

impl Header {
    pub(super) fn read(bytes: &[u8; HEADER]) -> Self {
        let [l0, l1, l2, l3, kind, flags, h0, h1, id @ ..] = *bytes;
        Header {
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            kind,
            flags,
            head: u16::from_le_bytes([h0, h1]),
            id: u64::from_le_bytes(id),
        }
    }

    pub(super) fn bytes(&self) -> [u8; HEADER] {
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let [h0, h1] = self.head.to_le_bytes();
        let [a, b, c, d, e, f, g, h] = self.id.to_le_bytes();
        [
            l0, l1, l2, l3, self.kind, self.flags, h0, h1, a, b, c, d, e, f, g, h,
        ]
    }
}

/// A frame without a head: DATA, CREDIT, CANCEL, PING, PONG.
pub(super) fn write_bare(out: &mut Vec<u8>, kind: u8, id: u64, body: &[u8]) {
    let header = Header {
        length: u32::try_from(body.len()).expect("bodies are checked against the message limit"),
        kind,
        flags: 0,
        head: 0,
        id,
    };
    out.extend_from_slice(&header.bytes());
    out.extend_from_slice(body);
}

/// How a request names its endpoint.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    /// By the number that it received earlier on this connection.
    Numbered(u16),
    /// In full, with the number that it has from now on; 0 if the table is full.
    New {
        number: u16,
        service: &'a str,
        endpoint: &'a str,
    },
}

/// The head of a request, to be written.
pub(super) struct RequestHead<'a> {
    pub(super) name: Name<'a>,
    /// The time left in nanoseconds.
    pub(super) left: Nanos,
    /// 0 if unknown.
    pub(super) attempts: u8,
    pub(super) content_type: &'a ContentType,
    pub(super) context: &'a Context,
}

/// Writes header and head of a request whose body, of `body` bytes, follows. Returns the head's length, or
/// an error if it exceeds `limit`, in which case nothing was written.
pub(super) fn write_request(
    out: &mut Vec<u8>,
    id: u64,
    flags: u8,
    head: &RequestHead<'_>,
    body: usize,
    limit: usize,
) -> Result<(), Error> {
    let start = out.len();
    let mut fixed = [0; HEADER + REQUEST_FIXED];
    fixed[HEADER..HEADER + 8].copy_from_slice(&head.left.to_le_bytes());
    if let Name::Numbered(number) = head.name {
        fixed[HEADER + 8..HEADER + 10].copy_from_slice(&number.to_le_bytes());
    }
    fixed[HEADER + 10] = head.attempts;
    fixed[HEADER + 11] = head.context.criticality() as u8;
    fixed[HEADER + 12] = head.content_type.number();
    out.extend_from_slice(&fixed);
    if let Name::New {
        number,
        service,
        endpoint,
    } = head.name
    {
        write_field(out, field::SERVICE, service.as_bytes());
        write_field(out, field::ENDPOINT, endpoint.as_bytes());
        if number != 0 {
            write_field(out, field::NAME, &number.to_le_bytes());
        }
    }
    if let ContentType::Other(name) = head.content_type {
        write_field(out, field::CONTENT_TYPE, name.as_bytes());
    }
    let trace = head.context.trace();
    if trace.is_some() {
        let mut bytes = [0; 25];
        bytes[..16].copy_from_slice(&trace.trace_id);
        bytes[16..24].copy_from_slice(&trace.span_id);
        bytes[24] = trace.flags;
        write_field(out, field::TRACE, &bytes);
    }
    if !head.context.metadata().is_empty() {
        write_field(out, field::METADATA, head.context.metadata().as_block());
    }
    finish(out, start, kind::REQUEST, flags, id, body, limit)
}

/// The head of a response or of the end of a stream, to be written.
pub(super) enum Status<'a> {
    Fine {
        content_type: &'a ContentType,
        metadata: &'a Metadata,
        /// Thousandths of the server's limit in use.
        load: u16,
    },
    Failed(&'a Error),
}

/// Writes header and head of a response or an end, whose body, of `body` bytes, follows.
#[allow(
    clippy::too_many_arguments,
    reason = "each is a field of the frame; a struct would only name them twice"
)]
pub(super) fn write_status(
    out: &mut Vec<u8>,
    kind: u8,
    flags: u8,
    id: u64,
    status: &Status<'_>,
    body: usize,
    limit: usize,
) -> Result<(), Error> {
    let start = out.len();
    let mut fixed = [0; HEADER + STATUS_FIXED];
    match status {
        Status::Fine {
            content_type,
            metadata,
            load,
        } => {
            fixed[HEADER + 4..HEADER + 6].copy_from_slice(&load.to_le_bytes());
            fixed[HEADER + 2] = content_type.number();
            out.extend_from_slice(&fixed);
            if let ContentType::Other(name) = content_type {
                write_field(out, field::CONTENT_TYPE, name.as_bytes());
            }
            if !metadata.is_empty() {
                write_field(out, field::METADATA, metadata.as_block());
            }
        }
        Status::Failed(error) => {
            fixed[HEADER] = error.code().number();
            fixed[HEADER + 1] = error.outcome() as u8;
            out.extend_from_slice(&fixed);
            write_field(
                out,
                field::MESSAGE,
                cut(error.message(), 8 * 1024).as_bytes(),
            );
            if !error.origin().is_empty() {
                write_field(out, field::ORIGIN, cut(error.origin(), 1024).as_bytes());
            }
            if let Some(after) = error.retry_after() {
                write_field(
                    out,
                    field::RETRY_AFTER,
                    &crate::time::nanos(after).to_le_bytes(),
                );
            }
            if !error.metadata().is_empty() {
                write_field(out, field::METADATA, error.metadata().as_block());
            }
        }
    }
    finish(out, start, kind, flags, id, body, limit)
}

/// The end of a stream, in order or with an error.
pub(super) fn write_end(out: &mut Vec<u8>, id: u64, error: Option<&Error>) {
    let nothing = Metadata::new();
    let status = match error {
        Some(error) => Status::Failed(error),
        None => Status::Fine {
            content_type: &ContentType::Bytes,
            metadata: &nothing,
            load: 0,
        },
    };
    if write_status(out, kind::END, 0, id, &status, 0, u16::MAX.into()).is_err() {
        // Only the error's metadata can be that long.
        let error = Error::internal("the stream failed with an error too large to send");
        let status = Status::Failed(&error);
        let _ = write_status(out, kind::END, 0, id, &status, 0, u16::MAX.into());
    }
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn write_field(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    // A value too long for its length field makes the head exceed its limit, which `finish` reports.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let [a, b] = length.to_le_bytes();
    out.extend_from_slice(&[tag, a, b]);
    out.extend_from_slice(value);
}

fn finish(
    out: &mut Vec<u8>,
    start: usize,
    kind: u8,
    flags: u8,
    id: u64,
    body: usize,
    limit: usize,
) -> Result<(), Error> {
    let head = out.len() - start - HEADER;
    let limit = limit.min(u16::MAX.into());
    if head > limit {
        out.truncate(start);
        return Err(Error::invalid_argument(format!(
            "metadata and names take {head} bytes, over the limit `max_head_size` of {limit}"
        )));
    }
    let header = Header {
        length: (head + body) as u32,
        kind,
        flags,
        head: head as u16,
        id,
    };
    out[start..start + HEADER].copy_from_slice(&header.bytes());
    Ok(())
}

/// The head of a request, as read.
#[derive(Debug, Default)]
pub(super) struct ParsedRequestHead<'a> {
    pub(super) left: Nanos,
    pub(super) number: u16,
    pub(super) attempts: u8,
    pub(super) criticality: Criticality,
    pub(super) content_type: Option<ContentType>,
    pub(super) service: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    /// The number that the name has from now on.
    pub(super) define: Option<u16>,
    pub(super) trace: Trace,
    pub(super) metadata: Metadata,
}

/// Reads a request's head; `None` if it is damaged. Unknown fields are skipped.
pub(super) fn read_request(head: &[u8]) -> Option<ParsedRequestHead<'_>> {
    let (fixed, fields) = head.split_first_chunk::<REQUEST_FIXED>()?;
    let mut read = ParsedRequestHead {
        left: u64::from_le_bytes(*fixed.first_chunk::<8>()?),
        number: u16::from_le_bytes([fixed[8], fixed[9]]),
        attempts: fixed[10],
        criticality: Criticality::from_number(fixed[11]),
        content_type: ContentType::from_number(fixed[12]),
        ..ParsedRequestHead::default()
    };
    each_field(fields, |tag, value| {
        match tag {
            field::SERVICE => read.service = Some(std::str::from_utf8(value).ok()?),
            field::ENDPOINT => read.endpoint = Some(std::str::from_utf8(value).ok()?),
            field::NAME => read.define = Some(u16::from_le_bytes(value.try_into().ok()?)),
            field::CONTENT_TYPE => {
                read.content_type = Some(ContentType::parse(std::str::from_utf8(value).ok()?));
            }
            field::TRACE => {
                let (trace_id, rest) = value.split_first_chunk::<16>()?;
                let (span_id, rest) = rest.split_first_chunk::<8>()?;
                read.trace = Trace::new(*trace_id, *span_id, *rest.first()?);
            }
            field::METADATA => read.metadata = Metadata::from_block(value)?,
            _ => {}
        }
        Some(())
    })?;
    Some(read)
}

/// The head of a response or an end, as read.
#[derive(Debug)]
pub(super) enum ParsedStatus {
    Fine {
        content_type: ContentType,
        metadata: Metadata,
        load: u16,
    },
    Failed(Error),
}

/// Reads a response's or an end's head; `None` if it is damaged.
pub(super) fn read_status(head: &[u8]) -> Option<ParsedStatus> {
    let (fixed, fields) = head.split_first_chunk::<STATUS_FIXED>()?;
    let load = u16::from_le_bytes([fixed[4], fixed[5]]);
    let mut content_type = ContentType::from_number(fixed[2]);
    let mut metadata = Metadata::new();
    let mut message = String::new();
    let mut origin = String::new();
    let mut retry_after = None;
    each_field(fields, |tag, value| {
        match tag {
            field::CONTENT_TYPE => {
                content_type = Some(ContentType::parse(std::str::from_utf8(value).ok()?));
            }
            field::METADATA => metadata = Metadata::from_block(value)?,
            field::MESSAGE => message = String::from_utf8_lossy(value).into_owned(),
            field::ORIGIN => origin = String::from_utf8_lossy(value).into_owned(),
            field::RETRY_AFTER => {
                retry_after = Some(u64::from_le_bytes(value.try_into().ok()?));
            }
            _ => {}
        }
        Some(())
    })?;
    if fixed[0] == 0 {
        return Some(ParsedStatus::Fine {
            content_type: content_type.unwrap_or(ContentType::Bytes),
            metadata,
            load,
        });
    }
    let mut error = Error::new(Code::from_number(fixed[0]), message)
        .with_outcome(Outcome::from_number(fixed[1]))
        .with_origin(origin);
    if let Some(after) = retry_after {
        error = error.with_retry_after(Duration::from_nanos(after));
    }
    *error.metadata_mut() = metadata;
    Some(ParsedStatus::Failed(error))
}

fn each_field<'a>(
    mut rest: &'a [u8],
    mut read: impl FnMut(u8, &'a [u8]) -> Option<()>,
) -> Option<()> {
    while let Some((prefix, after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([prefix[1], prefix[2]]));
        let (value, after) = after.split_at_checked(length)?;
        read(prefix[0], value)?;
        rest = after;
    }
    rest.is_empty().then_some(())
}

/// The time left in the wire's form: what remains until `deadline`.
pub(super) fn left(deadline: Nanos, now: Nanos) -> Nanos {
    if deadline == NEVER {
        NEVER
    } else {
        deadline.saturating_sub(now)
    }
}

/// A received body, which must not keep the read buffer alive: small ones are copied.
pub(super) fn copy_out(body: &[u8]) -> Bytes {
    if body.is_empty() {
        Bytes::new()
    } else {
        Bytes::copy_from_slice(body)
    }
}
