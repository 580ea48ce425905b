//! Watches the bytes of an HTTP/2 connection: useless frames that cost work
//! are charged to an allowance, and progress is recorded.
//!
//! `h2` bounds what a peer can make us store (streams, headers, CONTINUATION frames, empty DATA frames,
//! streams that are reset before they are accepted); this module bounds floods of frames that are processed
//! at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    net::io::Io,
    time::{self, Nanos},
};

/// The largest allowance.
const MAX_CREDIT: i64 = 4_000;
/// What is added to it a second: more than cancelled calls and probes ever take.
const CREDIT_PER_SECOND: i64 = 1_000;
/// The cost of a useless frame: PING, WINDOW_UPDATE, RST_STREAM, PRIORITY, unknown ones.
const EMPTY_FRAME_COST: i64 = 2;
/// The cost of SETTINGS, which may change the state of every stream.
const SETTINGS_COST: i64 = 20;
/// What a request, or a piece of one, adds: an update and a probe may follow it.
const REQUEST: i64 = 2;
/// Requests that a client may cancel beyond those that were answered, over the life of a connection, before it is sent
/// GOAWAY; twice as many end the connection. A client that hedges cancels as many as are answered; a hung node has fewer
/// calls than this on one connection, or is abandoned soon.
const MAX_UNANSWERED_RESETS: u64 = 1_000;
/// Sent bytes that add 1: the peer may acknowledge what it requested.
const BYTES_PER_CREDIT: i64 = 32;

/// What has passed through a connection, for other tasks.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Bytes read.
    read: AtomicU64,
    /// Bytes written.
    written: AtomicU64,
    /// Complete frames received; a header block counts as one.
    frames: AtomicU64,
    /// Whether part of a frame has arrived.
    amid: AtomicBool,
    /// Whether there are bytes that the peer does not take.
    blocked: AtomicBool,
    /// The largest stream whose HEADERS were sent.
    begun: AtomicU32,
    /// The last stream that the peer will process.
    last: AtomicU32,
    /// Whether the allowance is used up.
    condemned: AtomicBool,
    /// Whether the peer cancelled more requests than allowed.
    unwelcome: AtomicBool,
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic {
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            amid: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            last: AtomicU32::new(u32::MAX),
            condemned: AtomicBool::new(false),
            unwelcome: AtomicBool::new(false),
        }
    }
}

impl Traffic {
    pub(super) fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    pub(super) fn is_amid(&self) -> bool {
        self.amid.load(Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Ends the connection: the peer opens no windows for what it requested.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Relaxed);
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.load(Relaxed)
    }

    /// Whether the client must be sent GOAWAY: it cancelled many more requests than were answered.
    pub(super) fn is_unwelcome(&self) -> bool {
        self.unwelcome.load(Relaxed)
    }

    /// Whether the peer may have begun to work for a stream of ours.
    pub(super) fn may_have_begun(&self, stream: u32) -> bool {
        stream <= self.begun.load(Relaxed) && stream <= self.last.load(Relaxed)
    }

    /// Whether the peer has sent GOAWAY.
    pub(super) fn is_leaving(&self) -> bool {
        self.last.load(Relaxed) != u32::MAX
    }
}

/// A connection's bytes.
#[derive(Debug)]
pub(super) struct Guard {
    io: Io,
    /// Bytes that were read before, which come first.
    first: Vec<u8>,
    given: usize,
    traffic: Arc<Traffic>,
    came: Frames,
    went: Frames,
    allowance: i64,
    refilled: Nanos,
    /// Streams that the peer reset, and streams that we ended.
    resets: u64,
    answered: u64,
}

impl Guard {
    /// A client's connection.
    pub(super) fn client(io: Io, traffic: Arc<Traffic>) -> Self {
        Self::new(io, Vec::new(), traffic, 0, super::PREFACE.len())
    }

    /// A server's connection, from which `first` was read.
    pub(super) fn server(io: Io, first: Vec<u8>, traffic: Arc<Traffic>) -> Self {
        Self::new(io, first, traffic, super::PREFACE.len(), 0)
    }

    fn new(io: Io, first: Vec<u8>, traffic: Arc<Traffic>, before: usize, ahead: usize) -> Self {
        Guard {
            io,
            first,
            given: 0,
            traffic,
            came: Frames::after(before),
            went: Frames::after(ahead),
            allowance: MAX_CREDIT,
            refilled: time::now(),
            resets: 0,
            answered: 0,
        }
    }

    /// Fails if the peer cancelled too many requests.
    fn check_resets(&self) -> io::Result<()> {
        let most = self.answered + MAX_UNANSWERED_RESETS;
        if self.resets > most {
            self.traffic.unwelcome.store(true, Relaxed);
        }
        if self.resets > most + MAX_UNANSWERED_RESETS {
            tracing::debug!("an HTTP/2 connection took back too many requests");
            return Err(io::Error::other("too many requests were taken back"));
        }
        Ok(())
    }

    fn look_at(&mut self, bytes: &[u8]) -> io::Result<()> {
        let traffic = &self.traffic;
        let mut spent = 0;
        let mut whole = 0;
        let mut resets = 0;
        self.came.pass(bytes, &mut |frame| {
            spent += frame.cost();
            whole += u64::from(frame.ends_block());
            resets += u64::from(frame.kind == kind::RST_STREAM);
            if frame.kind == kind::GO_AWAY {
                traffic.last.fetch_min(frame.word & !(1 << 31), Relaxed);
            }
        });
        traffic.read.fetch_add(bytes.len() as u64, Relaxed);
        if whole > 0 {
            traffic.frames.fetch_add(whole, Relaxed);
        }
        traffic.amid.store(self.came.is_amid(), Relaxed);
        if resets > 0 {
            self.resets += resets;
            self.check_resets()?;
        }
        self.allowance = (self.allowance - spent).min(MAX_CREDIT);
        if self.allowance >= 0 {
            return Ok(());
        }
        let now = time::now();
        let elapsed = now.saturating_sub(self.refilled) / 1_000_000;
        let added =
            CREDIT_PER_SECOND.saturating_mul(i64::try_from(elapsed).unwrap_or(i64::MAX)) / 1_000;
        self.refilled = now;
        self.allowance = self.allowance.saturating_add(added).min(MAX_CREDIT);
        if self.allowance < 0 {
            tracing::debug!("an HTTP/2 connection sent a flood of frames that bring nothing");
            return Err(io::Error::other("a flood of frames that bring nothing"));
        }
        Ok(())
    }

    /// Records before a write what it may send: another thread must not take it for unsent meanwhile.
    fn announce<'a>(&self, slices: impl Iterator<Item = &'a [u8]>) {
        let mut begun = self.went.begun;
        let mut ahead = self.went.clone();
        slices.for_each(|bytes| ahead.pass(bytes, &mut |frame| begun = begun.max(frame.begins())));
        self.traffic.begun.store(begun, Relaxed);
    }

    fn wrote<'a>(&mut self, written: usize, slices: impl Iterator<Item = &'a [u8]>) {
        let mut left = written;
        let mut begun = self.went.begun;
        let mut answered = 0;
        for bytes in slices {
            let bytes = &bytes[..bytes.len().min(left)];
            left -= bytes.len();
            self.went.pass(bytes, &mut |frame| {
                begun = begun.max(frame.begins());
                answered += u64::from(frame.ends_stream());
            });
        }
        self.answered += answered;
        self.went.begun = begun;
        self.traffic.begun.store(begun, Relaxed);
        self.traffic.written.fetch_add(written as u64, Relaxed);
        let given = i64::try_from(written).unwrap_or(0) / BYTES_PER_CREDIT;
        self.allowance = (self.allowance + given).min(MAX_CREDIT);
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.given < this.first.len() {
            let rest = &this.first[this.given..];
            let taken = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..taken]);
            this.given += taken;
            if this.given == this.first.len() {
                this.first = Vec::new();
                this.given = 0;
            }
        } else {
            ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        }
        Poll::Ready(this.look_at(&buffer.filled()[before..]))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.announce(slices.iter().map(|slice| &**slice));
        let written = match slices {
            [one] => Pin::new(&mut this.io).poll_write(cx, one),
            many => Pin::new(&mut this.io).poll_write_vectored(cx, many),
        };
        this.traffic.blocked.store(written.is_pending(), Relaxed);
        let sent = match &written {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        this.wrote(sent, slices.iter().map(|slice| &**slice));
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// Frame types of RFC 9113, section 6.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const GO_AWAY: u8 = 7;
    pub(super) const CONTINUATION: u8 = 9;
}

/// ACK of SETTINGS and PING, END_STREAM of DATA and HEADERS.
const FLAG_ACK_OR_END_STREAM: u8 = 1;
/// END_HEADERS.
const FLAG_END_HEADERS: u8 = 4;
/// Length, type, flags, stream: RFC 9113, section 4.1.
const FRAME_HEADER_SIZE: usize = 9;

/// Parses the frames in bytes that arrive in any portions.
#[derive(Clone, Debug)]
struct Frames {
    /// Bytes before the first frame: the preface.
    before: usize,
    head: [u8; FRAME_HEADER_SIZE],
    /// Bytes of the head that have arrived.
    have: usize,
    /// Bytes of the payload still to come.
    left: usize,
    /// The first bytes of the payload, as a number.
    word: u32,
    /// How many of them have arrived.
    words: usize,
    /// The largest stream opened.
    begun: u32,
}

/// A frame that has passed completely.
struct CompleteFrame {
    kind: u8,
    flags: u8,
    length: usize,
    stream: u32,
    /// The first four bytes of its payload.
    word: u32,
}

impl CompleteFrame {
    /// What it takes from the allowance; negative if it adds to it.
    fn cost(&self) -> i64 {
        let ack = self.flags & FLAG_ACK_OR_END_STREAM != 0;
        match self.kind {
            kind::DATA if self.length == 0 && !ack => EMPTY_FRAME_COST,
            kind::DATA | kind::HEADERS => -REQUEST,
            kind::SETTINGS if !ack => SETTINGS_COST,
            _ => EMPTY_FRAME_COST,
        }
    }

    /// Whether it is a frame of its own, and not part of a header block.
    fn ends_block(&self) -> bool {
        let block = matches!(self.kind, kind::HEADERS | kind::CONTINUATION);
        !block || self.flags & FLAG_END_HEADERS != 0
    }

    /// Whether nothing of its stream follows.
    fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & FLAG_ACK_OR_END_STREAM != 0
    }

    /// The stream it opens.
    fn begins(&self) -> u32 {
        match self.kind {
            kind::HEADERS => self.stream,
            _ => 0,
        }
    }
}

impl Frames {
    fn after(before: usize) -> Self {
        Frames {
            before,
            head: [0; FRAME_HEADER_SIZE],
            have: 0,
            left: 0,
            word: 0,
            words: 0,
            begun: 0,
        }
    }

    fn is_amid(&self) -> bool {
        self.have > 0
    }

    fn pass(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&CompleteFrame)) {
        let skipped = self.before.min(bytes.len());
        self.before -= skipped;
        bytes = &bytes[skipped..];
        loop {
            if self.have < FRAME_HEADER_SIZE {
                let taken = (FRAME_HEADER_SIZE - self.have).min(bytes.len());
                self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                self.have += taken;
                bytes = &bytes[taken..];
                if self.have < FRAME_HEADER_SIZE {
                    return;
                }
                let [a, b, c, ..] = self.head;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                (self.word, self.words) = (0, 0);
            }
            let taken = self.left.min(bytes.len());
            for byte in bytes[..taken].iter().take(4 - self.words.min(4)) {
                self.word = self.word << 8 | u32::from(*byte);
                self.words += 1;
            }
            self.left -= taken;
            bytes = &bytes[taken..];
            if self.left > 0 {
                return;
            }
            let [a, b, c, kind, flags, stream @ ..] = self.head;
            each(&CompleteFrame {
                kind,
                flags,
                length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
                stream: u32::from_be_bytes(stream) & !(1 << 31),
                word: self.word,
            });
            self.have = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    #[test]
    fn frames_are_parsed_in_any_portions() {
        let mut bytes = super::super::PREFACE.to_vec();
        bytes.extend(frame(kind::SETTINGS, 0, 0, &[0; 6]));
        bytes.extend(frame(kind::HEADERS, FLAG_END_HEADERS, 5, b"abc"));
        bytes.extend(frame(kind::DATA, FLAG_ACK_OR_END_STREAM, 5, b""));
        bytes.extend(frame(kind::GO_AWAY, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 0]));
        for by in 1..bytes.len() {
            let mut frames = Frames::after(super::super::PREFACE.len());
            let mut seen = Vec::new();
            for part in bytes.chunks(by) {
                frames.pass(part, &mut |frame| {
                    seen.push((frame.kind, frame.stream, frame.word));
                });
            }
            let abc = u32::from_be_bytes([0, b'a', b'b', b'c']);
            let expected = [(4, 0, 0), (1, 5, abc), (0, 5, 0), (7, 0, 7)];
            assert_eq!(seen, expected, "cut by {by}");
            assert!(!frames.is_amid());
        }
    }
}
