//! One side of an HTTP/2 connection, played by hand.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    frame::{Content, Frame, PREFACE},
    hpack::Decoder,
};

const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Peer {
    socket: TcpStream,
    read: Vec<u8>,
    decoder: Decoder,
    /// Frames of streams that nobody has asked for yet.
    waiting: VecDeque<Frame>,
    /// Whether the other side's SETTINGS have come.
    is_settled: bool,
}

impl Peer {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Peer {
            socket,
            read: Vec::new(),
            decoder: Decoder::default(),
            waiting: VecDeque::new(),
            is_settled: false,
        }
    }

    /// Sends a frame as it is, though not what answers something that the other side did not say yet.
    pub(crate) async fn send(&mut self, frame: &Frame) {
        if frame.acknowledges() && frame.content != Content::Ping {
            while !self.is_settled {
                let read = self.frame().await;
                assert!(read.is_some(), "closed before its SETTINGS");
            }
        }
        self.socket.write_all(&frame.bytes()).await.unwrap();
    }

    /// Reads a client's preface.
    pub(crate) async fn preface(&mut self) {
        while self.read.len() < PREFACE.len() {
            assert!(self.more().await, "closed before the preface");
        }
        let preface: Vec<u8> = self.read.drain(..PREFACE.len()).collect();
        assert_eq!(preface, PREFACE);
    }

    /// The next HEADERS, DATA or RST_STREAM of a stream; `None` where the connection ended.
    ///
    /// Frames of other streams wait until somebody asks for them.
    pub(crate) async fn next(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let at = self.waiting.iter().position(|frame| frame.stream == stream);
            if let Some(at) = at {
                return self.waiting.remove(at);
            }
            self.frame().await?;
        }
    }

    /// That nothing more of a stream comes, but the end of the connection.
    pub(crate) async fn ends(mut self, name: &str) {
        self.socket.shutdown().await.unwrap();
        while self.frame().await.is_some() {}
        let late: Vec<_> = self.waiting.iter().collect();
        let resets = |frame: &&Frame| matches!(frame.content, Content::Reset(_));
        assert!(late.iter().all(resets), "{name}: {late:?}");
    }

    /// Reads one more frame, and keeps it if it is of a stream.
    async fn frame(&mut self) -> Option<()> {
        loop {
            if let Some((frame, length)) = Frame::read(&self.read, &mut self.decoder) {
                self.read.drain(..length);
                match frame.content {
                    Content::GoAway(code) => assert_eq!(code, 0, "it found nothing wrong"),
                    Content::Settings(_) => self.is_settled = true,
                    Content::Headers(_) | Content::Data(_) | Content::Reset(_) => {
                        self.waiting.push_back(frame);
                    }
                    Content::Preface | Content::Ping | Content::WindowUpdate(_) => {}
                }
                return Some(());
            }
            if !self.more().await {
                assert!(self.read.is_empty(), "{}", self.read.escape_ascii());
                return None;
            }
        }
    }

    /// Whether more bytes came.
    async fn more(&mut self) -> bool {
        let read = timeout(LONG, self.socket.read_buf(&mut self.read)).await;
        read.expect("something comes in time").unwrap_or(0) > 0
    }
}
