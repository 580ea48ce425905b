//! Received bytes: read in large batches into a buffer that the thread shares, and split into frames.

use std::{
    cell::Cell,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::frame::{HEADER, Header, copy_out, kind};
use crate::{
    error::{Error, Result},
    net::buffered::{Buffered, ByteReservation},
};

/// The buffer that a thread's connections read into. An idle connection holds none.
const SCRATCH_SIZE: usize = 128 * 1024;
/// An incomplete frame of at least this size gets a buffer of its own.
const MIN_LARGE_FRAME: usize = 8 * 1024;
/// How many bytes after the frame may be read into such a buffer, so that the next header comes with it.
const MAX_READ_AHEAD: usize = 4 * 1024;
/// The largest initial size of such a buffer.
const MAX_INITIAL_BUFFER: usize = 128 * 1024;

thread_local! {
    static SCRATCHES: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

/// A frame as received.
pub(super) struct Frame<'a> {
    pub(super) header: Header,
    pub(super) fate: Disposition,
    payload: Payload<'a>,
}

/// Whether a frame is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    Accepted,
    /// The call is cancelled by a frame of the same batch.
    Cancelled,
    /// The limit of buffered bytes was reached, and the body was dropped.
    Refused,
}

enum Payload<'a> {
    /// In the shared buffer.
    Shared(&'a [u8]),
    /// In a buffer of its own.
    LargeFrame(Bytes),
}

impl Frame<'_> {
    /// The head; empty if the header claims more bytes than there are, which counts as damaged.
    pub(super) fn head(&self) -> &[u8] {
        self.bytes().get(..self.header.head.into()).unwrap_or(&[])
    }

    /// Everything after the head, in a buffer that is not shared.
    pub(super) fn body(self) -> Bytes {
        let head = usize::from(self.header.head);
        match self.payload {
            Payload::Shared(bytes) => copy_out(bytes.get(head..).unwrap_or(&[])),
            Payload::LargeFrame(mut bytes) => {
                let head = head.min(bytes.len());
                bytes.split_off(head)
            }
        }
    }

    /// Copies the frame into a buffer of its own, to handle it later.
    pub(super) fn keep(self) -> Frame<'static> {
        let bytes = match self.payload {
            Payload::Shared(bytes) => copy_out(bytes),
            Payload::LargeFrame(bytes) => bytes,
        };
        Frame {
            payload: Payload::LargeFrame(bytes),
            ..self
        }
    }

    /// Everything after the head, in place.
    pub(super) fn tail(&self) -> &[u8] {
        self.bytes()
            .get(self.header.head.into()..)
            .unwrap_or_default()
    }

    /// Head and body.
    fn bytes(&self) -> &[u8] {
        match &self.payload {
            Payload::Shared(bytes) => bytes,
            Payload::LargeFrame(bytes) => bytes,
        }
    }
}

/// Reads the frames of one connection.
pub(super) struct Reader {
    /// The largest accepted frame, without its header.
    limit: usize,
    /// The beginning of a frame that has just begun to arrive.
    begun: Vec<u8>,
    /// A large frame that is arriving.
    own: Option<LargeFrame>,
    /// Counts the bytes of large frames.
    buffered: Option<Arc<Buffered>>,
    /// Whether a batch is searched for cancels before its frames are handled.
    looks_ahead: bool,
    /// Calls that the present batch cancels, sorted; mostly empty.
    cancelled: Vec<u64>,
}

impl Reader {
    pub(super) fn new(limit: usize, first: Vec<u8>) -> Self {
        Reader {
            limit,
            begun: first,
            own: None,
            buffered: None,
            looks_ahead: false,
            cancelled: Vec::new(),
        }
    }

    /// Marks requests that a later frame of the same batch cancels. A process that was
    /// stopped for a while receives many of them.
    pub(super) fn looking_ahead(mut self) -> Self {
        self.looks_ahead = true;
        self
    }

    /// Counts large frames while they arrive, and drops the body of one that exceeds the limit.
    pub(super) fn counted(mut self, buffered: Arc<Buffered>) -> Self {
        self.buffered = Some(buffered);
        self
    }

    /// Whether part of a frame has arrived.
    pub(super) fn is_amid(&self) -> bool {
        self.own.is_some() || !self.begun.is_empty()
    }

    /// Releases memory, on connections that are idle.
    pub(super) fn shrink(&mut self) {
        if self.begun.is_empty() {
            self.begun = Vec::new();
        }
        self.cancelled = Vec::new();
    }

    /// Reads once, and passes on every complete frame. Returns the number of bytes, 0 at the end of the connection.
    pub(super) fn poll_frames<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        each: &mut dyn FnMut(Frame<'_>) -> Result<()>,
    ) -> Poll<Result<usize>> {
        if let Some(mut own) = self.own.take() {
            let room = own.lacking() + MAX_READ_AHEAD;
            let read = {
                let mut target = (&mut own.buffer).limit(room.min(own.most));
                pin!(io.read_buf(&mut target)).poll(cx)
            };
            if !matches!(read, Poll::Ready(Ok(1..))) || own.lacking() > 0 {
                own.grown();
                self.own = Some(own);
                return read.map_err(lost);
            }
            let (frame, ahead) = own.whole();
            each(frame)?;
            self.cut(&ahead, each)?;
            return read.map_err(lost);
        }
        let mut scratch = SCRATCHES.take().unwrap_or_else(|| vec![0; SCRATCH_SIZE]);
        let result = self.poll_shared(io, cx, &mut scratch, each);
        SCRATCHES.set(Some(scratch));
        result
    }

    fn poll_shared<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        each: &mut dyn FnMut(Frame<'_>) -> Result<()>,
    ) -> Poll<Result<usize>> {
        let begun = self.begun.len();
        let mut buffer = ReadBuf::new(&mut scratch[begun..]);
        ready!(Pin::new(io).poll_read(cx, &mut buffer)).map_err(lost)?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        scratch[..begun].copy_from_slice(&self.begun);
        self.begun.clear();
        self.cut(&scratch[..begun + read], each)?;
        Poll::Ready(Ok(read))
    }

    /// Frames in bytes that were read before this reader, such as after a preface.
    pub(super) fn first_frames(
        &mut self,
        each: &mut dyn FnMut(Frame<'_>) -> Result<()>,
    ) -> Result<()> {
        let first = std::mem::take(&mut self.begun);
        self.cut(&first, each)
    }

    /// Passes on every complete frame in `bytes`, and keeps the beginning of an incomplete one.
    fn cut(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(Frame<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.looks_ahead {
            self.look_ahead(bytes);
        }
        while let Some((first, rest)) = bytes.split_first_chunk::<HEADER>() {
            let header = Header::read(first);
            let length = header.length as usize;
            if usize::from(header.head) > length {
                return Err(Error::data_loss(format!(
                    "a frame of {length} bytes claims a head of {}",
                    header.head
                )));
            }
            if length > self.limit {
                return Err(Error::resource_exhausted(format!(
                    "a frame of {length} bytes is over the limit of {}, which the limit `max_message_size` sets",
                    self.limit
                )));
            }
            let Some((payload, rest)) = rest.split_at_checked(length) else {
                if length >= MIN_LARGE_FRAME {
                    // Grows as bytes arrive: a length in a header allocates nothing.
                    let mut buffer =
                        BytesMut::with_capacity((length + MAX_READ_AHEAD).min(MAX_INITIAL_BUFFER));
                    buffer.extend_from_slice(rest);
                    let account = self.buffered.as_ref().map(Buffered::account);
                    let mut own = LargeFrame::new(header, buffer, account);
                    own.grown();
                    self.own = Some(own);
                    return Ok(());
                }
                break;
            };
            each(Frame {
                header,
                fate: self.fate(header.id),
                payload: Payload::Shared(payload),
            })?;
            bytes = rest;
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }

    /// Records the calls that complete frames in `bytes` cancel.
    fn look_ahead(&mut self, mut bytes: &[u8]) {
        self.cancelled.clear();
        while let Some((first, rest)) = bytes.split_first_chunk::<HEADER>() {
            let header = Header::read(first);
            let Some(rest) = rest.get(header.length as usize..) else {
                break;
            };
            if header.kind == kind::CANCEL {
                self.cancelled.push(header.id);
            }
            bytes = rest;
        }
        self.cancelled.sort_unstable();
    }

    fn fate(&self, id: u64) -> Disposition {
        match !self.cancelled.is_empty() && self.cancelled.binary_search(&id).is_ok() {
            true => Disposition::Cancelled,
            false => Disposition::Accepted,
        }
    }
}

/// A large frame that is arriving.
struct LargeFrame {
    header: Header,
    buffer: BytesMut,
    account: Option<ByteReservation>,
    fate: Disposition,
    /// Bytes of the body that arrived and were dropped.
    dropped: usize,
    /// The largest number of bytes read into the buffer at once.
    most: usize,
}

impl LargeFrame {
    fn new(header: Header, buffer: BytesMut, account: Option<ByteReservation>) -> Self {
        LargeFrame {
            header,
            buffer,
            account,
            fate: Disposition::Accepted,
            dropped: 0,
            most: usize::MAX,
        }
    }

    /// Bytes that have not arrived.
    fn lacking(&self) -> usize {
        (self.header.length as usize).saturating_sub(self.dropped + self.buffer.len())
    }

    /// Counts arrived bytes; if the limit is reached, only the head is kept.
    fn grown(&mut self) {
        let Some(account) = &self.account else { return };
        if self.fate == Disposition::Accepted {
            account.set(self.buffer.len());
            let buffered = account.buffered();
            let is_over = match self.header.kind {
                kind::DATA => buffered.is_far_over(),
                _ => buffered.is_over(),
            };
            if !is_over {
                return;
            }
            self.fate = Disposition::Refused;
            self.most = MAX_INITIAL_BUFFER;
        }
        let head = usize::from(self.header.head);
        if self.buffer.len() > head {
            self.dropped += self.buffer.len() - head;
            // The counted bytes are released, too.
            self.buffer = BytesMut::from(&self.buffer[..head]);
        }
        account.set(0);
    }

    /// The frame, which has arrived completely, and the bytes after it.
    fn whole(mut self) -> (Frame<'static>, BytesMut) {
        let ahead = self
            .buffer
            .split_off(self.header.length as usize - self.dropped);
        if self.fate == Disposition::Refused {
            self.buffer.truncate(self.header.head.into());
        }
        let frame = Frame {
            header: self.header,
            fate: self.fate,
            payload: Payload::LargeFrame(self.buffer.freeze()),
        };
        (frame, ahead)
    }
}

fn lost(error: io::Error) -> Error {
    Error::unavailable("the connection broke").with_source(error)
}

impl Frame<'_> {
    /// The bytes after the head.
    pub(super) fn body_length(&self) -> usize {
        self.header.length as usize - usize::from(self.header.head)
    }
}
