//! Frames of HTTP/2 (RFC 9113, section 6), as captures list them and as bytes.

use super::hpack::{self, Decoder};

/// What a client says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) type Fields = Vec<(String, String)>;

/// What is in a frame, or in front of the first one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Preface,
    Headers(Fields),
    Data(Vec<u8>),
    Reset(u32),
    /// The acknowledged are told by the frame's flag; MAX_FRAME_SIZE where it is said.
    Settings(Option<u32>),
    Ping,
    GoAway(u32),
    WindowUpdate(u32),
}

/// A frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) stream: u32,
    pub(crate) flags: u8,
    pub(crate) content: Content,
}

impl Frame {
    /// Whether it is the last of its side of the stream.
    pub(crate) fn ends(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether it acknowledges SETTINGS or PING.
    pub(crate) fn acknowledges(&self) -> bool {
        self.flags & 1 != 0 && matches!(self.content, Content::Settings(_) | Content::Ping)
    }

    /// Its bytes; what a PING says was not recorded, and is zeros.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (kind, payload) = match &self.content {
            Content::Preface => return PREFACE.to_vec(),
            Content::Data(data) => (0, data.clone()),
            Content::Headers(fields) => (1, hpack::block(fields)),
            Content::Reset(code) => (3, code.to_be_bytes().to_vec()),
            Content::Settings(None) => (4, Vec::new()),
            Content::Settings(Some(size)) => (4, [&[0, 5][..], &size.to_be_bytes()].concat()),
            Content::Ping => (6, vec![0; 8]),
            Content::GoAway(code) => (7, [[0; 4], code.to_be_bytes()].concat()),
            Content::WindowUpdate(by) => (8, by.to_be_bytes().to_vec()),
        };
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The first frame and its length, if it is whole.
    pub(crate) fn read(bytes: &[u8], decoder: &mut Decoder) -> Option<(Self, usize)> {
        let head = bytes.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = bytes.get(9..9 + length)?;
        let flags = head[4];
        let word = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        let content = match head[3] {
            0 => Content::Data(payload.to_vec()),
            1 => {
                assert_eq!(flags & !1, 4, "a whole block, without padding or priority");
                Content::Headers(decoder.read(payload))
            }
            3 => Content::Reset(word(0)),
            // What ours are does not matter here.
            4 => Content::Settings(None),
            6 => Content::Ping,
            7 => Content::GoAway(word(4)),
            8 => Content::WindowUpdate(word(0)),
            other => panic!("no frame of kind {other} is expected"),
        };
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let frame = Frame {
            stream,
            flags,
            content,
        };
        Some((frame, 9 + length))
    }
}
