//! The envelope of Protobuf: a head and a body, each after its length.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use super::content::{Id, ReplyContent, RequestContent};
use crate::error::{Error, Result};

/// The head of requests and replies; that of requests has no error.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(string, tag = "1")]
    service_method: String,
    #[prost(fixed64, tag = "2")]
    seq: u64,
    #[prost(string, tag = "3")]
    error: String,
}

/// Splits a message into head and body; fails if it is shorter than its lengths.
fn read(bytes: &Bytes) -> Result<(Head, Bytes)> {
    let mut rest = bytes.clone();
    let head = take(&mut rest)?;
    let body = take(&mut rest)?;
    if !rest.is_empty() {
        return Err(wrong("there are bytes after its body"));
    }
    let head =
        Head::decode(head).map_err(|error| wrong(&format!("its head is no message: {error}")))?;
    Ok((head, body))
}

/// The bytes after a big-endian length of four bytes.
fn take(rest: &mut Bytes) -> Result<Bytes> {
    let length = rest
        .first_chunk::<4>()
        .map(|length| u32::from_be_bytes(*length));
    let length = length.ok_or_else(|| wrong("a length is missing"))?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(4));
    match end {
        Some(end) if end <= rest.len() => Ok(rest.split_to(end).slice(4..)),
        _ => Err(wrong(&format!("a part of {length} bytes is cut off"))),
    }
}

fn wrong(why: &str) -> Error {
    Error::invalid_argument(format!("cannot read the envelope: {why}"))
}

fn write(head: &Head, body: &[u8]) -> Bytes {
    let length = head.encoded_len();
    let mut out = BytesMut::with_capacity(8 + length + body.len());
    // Messages are limited to far less than 32 bits count.
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    out.extend_from_slice(&head.encode_to_vec());
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(body);
    out.freeze()
}

pub(super) fn read_request(bytes: &Bytes) -> Result<RequestContent> {
    let (head, body) = read(bytes)?;
    Ok(RequestContent {
        endpoint: head.service_method,
        id: Id::Number(head.seq),
        body,
    })
}

pub(super) fn write_request(endpoint: &str, number: u64, body: &[u8]) -> Bytes {
    let head = Head {
        service_method: endpoint.to_owned(),
        seq: number,
        error: String::new(),
    };
    write(&head, body)
}

pub(super) fn read_reply(bytes: &Bytes) -> Result<ReplyContent> {
    let (head, body) = read(bytes)?;
    Ok(ReplyContent {
        error: Some(head.error).filter(|error| !error.is_empty()),
        body,
    })
}

pub(super) fn write_reply(
    endpoint: &str,
    id: &Id,
    reply: std::result::Result<Bytes, &str>,
) -> Bytes {
    let head = Head {
        service_method: endpoint.to_owned(),
        seq: match id {
            Id::Number(number) => *number,
            Id::Json(_) => 0,
        },
        error: reply.as_ref().err().copied().unwrap_or_default().to_owned(),
    };
    write(&head, &reply.unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_go_micro() {
        let written = write_request("Say.Hello", 1, b"");
        let head = b"\x00\x00\x00\x14\x0a\x09Say.Hello\x11\x01\0\0\0\0\0\0\0";
        assert_eq!(&written[..], [&head[..], b"\0\0\0\0"].concat());
        let asked = read_request(&written).unwrap();
        assert_eq!((&*asked.endpoint, asked.id), ("Say.Hello", Id::Number(1)));
        // Zero values are not written.
        assert_eq!(
            &write_reply("", &Id::Number(0), Ok("x".into()))[..],
            b"\0\0\0\0\0\0\0\x01x"
        );
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let good = write_request("A.B", 7, b"body");
        for end in 0..good.len() {
            assert!(
                read_request(&good.slice(..end)).is_err(),
                "cut off at {end}"
            );
        }
        let more = [&good[..], b"x"].concat();
        assert!(read_request(&more.into()).is_err());
        assert!(read_request(&b"\xff\xff\xff\xff".as_slice().into()).is_err());
        assert!(read_request(&b"\0\0\0\x01\xff\0\0\0\0".as_slice().into()).is_err());
    }
}
