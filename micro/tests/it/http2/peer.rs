//! A client's side of a connection, byte by byte.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::End;

/// Kinds of frames: section 6.
pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GO_AWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longer than any limit that these tests meet.
const LONG: Duration = Duration::from_secs(20);

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(super) struct Peer {
    socket: TcpStream,
    read: Vec<u8>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Peer {
    /// Connects, and says what every client says first.
    pub(super) async fn connect(address: &str) -> Self {
        let mut peer = Peer {
            socket: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        };
        peer.send(&[PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat())
            .await;
        peer
    }

    /// Sends, unless the other side has closed already.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// What came of what was sent, seen once a good request after it was answered on `stream`, or the
    /// connection has ended. Where nothing came of it, it is as the good request ended.
    ///
    /// # Errors
    /// All that was seen, where that is not one end.
    pub(super) async fn end_after(&mut self, good: &[u8], stream: u32) -> Result<End, String> {
        self.send(good).await;
        let mut ends = Vec::new();
        loop {
            let Some(frame) = self.frame().await else {
                return match ends[..] {
                    // What it said of a stream before it gave the whole connection up is no matter.
                    [.., end @ End::GoAway(_)] => Ok(end),
                    _ => Err(format!("{ends:?}, closed")),
                };
            };
            let is_of_good = frame.stream == stream;
            match frame.kind {
                kind::HEADERS if frame.payload[0] != 0x88 || !is_of_good => {
                    // Trailers and messages of an answer follow its head.
                    let is_head = !ends.iter().any(|end| matches!(end, End::Status(_)));
                    ends.extend(is_head.then(|| End::Status(status(&frame.payload))));
                }
                kind::RST_STREAM if !is_of_good && ends.is_empty() => {
                    ends.push(End::Reset(frame.word(0)));
                }
                kind::RST_STREAM if is_of_good => {
                    return Err(format!("{ends:?}, good one reset: {}", frame.word(0)));
                }
                kind::GO_AWAY => ends.push(End::GoAway(frame.word(4))),
                _ => {}
            }
            let ended = is_of_good && frame.kind <= kind::HEADERS && frame.flags & 1 != 0;
            if ended {
                return match ends[..] {
                    [end] => Ok(end),
                    [] => Ok(End::Status(200)),
                    _ => Err(format!("{ends:?}")),
                };
            }
        }
    }

    /// The next frame; `None` when the connection has ended.
    async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(head) = self.read.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if let Some(payload) = self.read.get(9..9 + length) {
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream: u32::from_be_bytes(head[5..].try_into().unwrap()),
                        payload: payload.to_vec(),
                    };
                    self.read.drain(..9 + length);
                    return Some(frame);
                }
            }
            let read = timeout(LONG, self.socket.read_buf(&mut self.read)).await;
            // A reset is a closed connection, too.
            if read.expect("it ends in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

/// The status that a block begins with, of appendix A or in digits of appendix B of RFC 7541.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        [0x48, length @ 0x82..=0x83, rest @ ..] => {
            let bits: String = rest[..usize::from(length & 0x7f)]
                .iter()
                .map(|byte| format!("{byte:08b}"))
                .collect();
            let (mut at, mut status) = (0, 0);
            for _ in 0..3 {
                let code = |length: usize| u16::from_str_radix(&bits[at..at + length], 2).unwrap();
                let (digit, length) = match code(5) {
                    digit @ 0..=2 => (digit, 5),
                    _ => (code(6) - 0x19 + 3, 6),
                };
                status = status * 10 + digit;
                at += length;
            }
            status
        }
        other => panic!("no status: {other:x?}"),
    }
}
