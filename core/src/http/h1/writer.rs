//! Messages as bytes. What belongs to the connection is the writer's to say, whatever the headers hold.

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{self, CONNECTION, CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING, UPGRADE},
};

use super::{BodyFraming, date};

/// Writes a response's head. `version` is what the request had, `kept` whether the connection is kept.
pub(crate) fn write_response(
    out: &mut BytesMut,
    status: StatusCode,
    headers: &HeaderMap,
    framing: BodyFraming,
    version: Version,
    kept: bool,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(out, headers);
    if !headers.contains_key(header::DATE) {
        date::write(out);
    }
    match (kept, version) {
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, _) => {}
    }
    write_framing(out, framing);
    out.extend_from_slice(b"\r\n");
}

/// Writes a request's head; `target` is a path with its query.
pub(crate) fn write_request(
    out: &mut BytesMut,
    method: &Method,
    target: &str,
    host: &str,
    headers: &HeaderMap,
    framing: BodyFraming,
) {
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\nhost: ", host] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    write_fields(out, headers);
    write_framing(out, framing);
    out.extend_from_slice(b"\r\n");
}

/// Writes a piece of a body in chunks.
pub(crate) fn write_chunk_size(out: &mut BytesMut, size: usize) {
    out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
}

/// Writes the end of a body in chunks.
pub(crate) fn write_last_chunk(out: &mut BytesMut, trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        write_fields(out, trailers);
    }
    out.extend_from_slice(b"\r\n");
}

/// Tells the client to send the body it waits with.
pub(crate) fn write_continue(out: &mut BytesMut) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

fn write_fields(out: &mut BytesMut, headers: &HeaderMap) {
    out.reserve(headers.len() * 64);
    for (name, value) in headers {
        if !is_connections(name) {
            write_field(out, name, value);
        }
    }
}

fn write_field(out: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Whether a field is said by the connection alone.
fn is_connections(name: &HeaderName) -> bool {
    [
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONNECTION,
        HOST,
        UPGRADE,
        TRAILER,
    ]
    .contains(name)
        || name == "keep-alive"
}

fn write_framing(out: &mut BytesMut, framing: BodyFraming) {
    match framing {
        BodyFraming::None | BodyFraming::UntilClose => {}
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyFraming::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            write_number(out, length);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn write_number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
