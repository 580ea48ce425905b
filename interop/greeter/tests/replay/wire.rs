//! Messages of HTTP/1.1, read by the test's own eyes.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

const LONG: Duration = Duration::from_secs(20);

/// A request or response.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) first: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A name of go-micro's, with or without `X-` in front.
    pub(crate) fn micro(&self, name: &str) -> Option<&str> {
        self.header(&format!("micro-{name}"))
            .or_else(|| self.header(&format!("x-micro-{name}")))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Every message in some bytes.
pub(crate) fn all(bytes: &[u8]) -> Vec<Message> {
    let mut rest = bytes;
    let mut messages = Vec::new();
    while let Some((message, length)) = one(rest) {
        messages.push(message);
        rest = &rest[length..];
    }
    assert!(rest.is_empty(), "whole messages: {}", rest.escape_ascii());
    messages
}

/// The first message and its length, if it is whole.
fn one(bytes: &[u8]) -> Option<(Message, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let mut headers = BTreeMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let (body, length) = match headers.get("transfer-encoding") {
        // Nobody sends more than the last chunk so.
        Some(_) => {
            let chunk = bytes.get(end..end + 5)?;
            assert_eq!(chunk, b"0\r\n\r\n");
            (Vec::new(), 5)
        }
        None => {
            let length = headers
                .get("content-length")
                .map_or(0, |length| length.parse().unwrap());
            (bytes.get(end..end + length)?.to_vec(), length)
        }
    };
    let message = Message {
        first,
        headers,
        body,
    };
    Some((message, end + length))
}

/// Messages off a connection, one after another.
pub(crate) struct Incoming<I> {
    io: I,
    read: Vec<u8>,
}

impl<I: AsyncRead + Unpin> Incoming<I> {
    pub(crate) fn new(io: I) -> Self {
        Incoming {
            io,
            read: Vec::new(),
        }
    }

    /// The next message; `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, length)) = one(&self.read) {
                self.read.drain(..length);
                return Some(message);
            }
            let read = timeout(LONG, self.io.read_buf(&mut self.read)).await;
            let read = read.expect("a message comes in time");
            if read.unwrap_or(0) == 0 {
                assert!(self.read.is_empty(), "{}", self.read.escape_ascii());
                return None;
            }
        }
    }
}
