//! The native protocol spoken by hand, as `PROTOCOL.md` describes it, to say what no client would.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub(crate) const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const DATA: u8 = 3;
pub(crate) const CANCEL: u8 = 6;
pub(crate) const PING: u8 = 7;
pub(crate) const PONG: u8 = 8;
pub(crate) const GO_AWAY: u8 = 9;
pub(crate) const STREAM: u8 = 1;

/// Longer than any limit that these tests set.
const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Raw(pub(crate) TcpStream);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) id: u64,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// The code and message of a failure.
    pub(crate) fn failure(&self) -> (u8, String) {
        let length = usize::from(u16::from_le_bytes([self.head[9], self.head[10]]));
        assert_eq!(self.head[8], 7, "the first field is the message");
        let message = String::from_utf8(self.head[11..11 + length].to_vec()).unwrap();
        (self.head[0], message)
    }
}

/// A preface that grants each stream `window` bytes.
pub(crate) fn preface(window: u32) -> Vec<u8> {
    let mut bytes = vec![0xd5, b'M', b'I', b'C', 1, 1, 8, 0, 4, 0, 4, 0];
    bytes.extend_from_slice(&window.to_le_bytes());
    bytes
}

pub(crate) fn frame(kind: u8, flags: u8, id: u64, head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = ((head.len() + body.len()) as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&(head.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// The head of a request for bytes, named in full, with more fields behind.
pub(crate) fn head(endpoint: &str, more: &[u8]) -> Vec<u8> {
    let mut head = 60_000_000_000u64.to_le_bytes().to_vec();
    head.extend_from_slice(&[0, 0, 0, 1, 4, 0, 0, 0]);
    head.extend(field(1, b"limits"));
    head.extend(field(2, endpoint.as_bytes()));
    head.extend_from_slice(more);
    head
}

pub(crate) fn request(id: u64, endpoint: &str, body: &[u8]) -> Vec<u8> {
    frame(REQUEST, 0, id, &head(endpoint, &[]), body)
}

impl Raw {
    pub(crate) async fn connect(address: &str) -> Self {
        Raw(TcpStream::connect(address).await.unwrap())
    }

    /// A connection introduced on both sides.
    pub(crate) async fn greeted(address: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&preface(256 * 1024)).await;
        raw.greeting().await;
        raw
    }

    /// The other side of a client's connection, introduced on both sides.
    pub(crate) async fn accepted(socket: TcpStream) -> Self {
        let mut raw = Raw(socket);
        raw.greeting().await;
        raw.send(&preface(256 * 1024)).await;
        raw
    }

    /// Reads the other side's preface.
    pub(crate) async fn greeting(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        timeout(LONG, self.0.read_exact(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        let settings = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]));
        bytes.resize(8 + settings, 0);
        self.0.read_exact(&mut bytes[8..]).await.unwrap();
        bytes
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        timeout(LONG, self.read())
            .await
            .expect("a frame or the end")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut header = [0; 16];
        self.0.read_exact(&mut header).await.ok()?;
        let length = u32::from_le_bytes(header[..4].try_into().unwrap());
        let mut head = vec![0; length as usize];
        self.0.read_exact(&mut head).await.ok()?;
        let body = head.split_off(u16::from_le_bytes([header[6], header[7]]).into());
        Some(Frame {
            kind: header[4],
            id: u64::from_le_bytes(header[8..].try_into().unwrap()),
            head,
            body,
        })
    }

    /// The message of the failure that a request is answered with.
    pub(crate) async fn refusal(&mut self) -> String {
        let frame = self.next().await.expect("an answer");
        assert_eq!(frame.kind, RESPONSE);
        frame.failure().1
    }

    /// Why the other side ends the connection, which it then does.
    pub(crate) async fn farewell(&mut self) -> String {
        let frame = self.next().await.expect("a reason");
        assert_eq!(frame.kind, GO_AWAY, "{frame:?}");
        self.ends().await;
        frame.failure().1
    }

    /// Waits until the other side has ended the connection, whatever it still says.
    pub(crate) async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }

    /// The connection still works.
    pub(crate) async fn is_alive(&mut self) {
        self.send(&frame(PING, 0, 77, &[], &[])).await;
        let pong = self.next().await.expect("a sign of life");
        assert_eq!((pong.kind, pong.id), (PONG, 77));
    }
}
