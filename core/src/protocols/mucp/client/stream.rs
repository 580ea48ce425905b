//! A call with a stream on either side, over a connection of its own.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, header, response::Parts};
use tokio::{
    io::{ReadHalf, WriteHalf},
    task::JoinSet,
    time::Sleep,
};

use super::{
    super::{
        envelope::Envelope,
        fault,
        names::{EOS, ERROR, HALF_CLOSE, STREAM},
    },
    NodeInfo,
    connection::{Connection, lost},
    frames::Frames,
    head::{self, MessageFormat, StreamItem},
    pool::ConnectionPool,
    unary::too_large,
};
use crate::{
    error::{Error, Outcome, Result},
    http::h1::{BodyFraming, MessageIo, Outbox, Reader, write_request},
    message::{Body, BodyStream, Expected, Request, Response},
    net::{io::Io, pool::PoolPermit, sent::SentFlag},
    time::{self, Nanos, nanos},
};

/// How long to wait for the first message of a stream, so that an unknown endpoint is an error of the call.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_millis(100);
/// How long to wait for more messages after the client has ended, because go-micro servers then send no end.
const END_OF_STREAM_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes buffered before they are written.
const MAX_BATCH_SIZE: usize = 64 * 1024;

pub(super) async fn call(
    connections: Arc<ConnectionPool>,
    info: Arc<NodeInfo>,
    mut request: Request,
    sent: SentFlag,
) -> Result<Response> {
    let not_sent = |error: Error| error.with_outcome(Outcome::NotSent);
    let mut format = MessageFormat::of(&request, &info)?;
    format
        .headers
        .insert(STREAM, HeaderValue::from(format.number));
    format
        .headers
        .insert(HALF_CLOSE, HeaderValue::from_static("1"));
    let expected = request.expected();
    let body = request.body_mut().take();
    let both = body.is_stream();
    let mut writer = Writer {
        headers: HeaderMap::new(),
        host: connections.host().to_owned(),
        format,
        most: info.limits.max_message_size,
        outbox: Outbox::default(),
        messages: 0,
    };
    writer.open();
    let mut messages = None;
    match body.is_stream() {
        true => messages = Some(body.into_stream()),
        false => writer
            .message(body.into_bytes().map_err(not_sent)?)
            .map_err(not_sent)?,
    }
    let Connection { line, .. } = match both {
        // Its error would come after the call has begun.
        true => {
            let connection = connections.connect().await?;
            connections.ask(connection, &info.addressing).await?
        }
        false => connections.connect().await?,
    };
    sent.set();
    let MessageIo { io, reader, .. } = line.wire;
    let (read, write) = tokio::io::split(io);
    let content_type = writer.format.content_type.clone();
    let ended = Arc::new(AtomicU64::new(0));
    let mut incoming = Incoming {
        address: info.address.clone(),
        envelope: writer.format.envelope,
        most: info.limits.max_message_size,
        reader,
        io: read,
        frames: Frames::new(),
        ahead: None,
        told: false,
        says_ends: false,
        ended: ended.clone(),
        quiet: None,
        over: false,
        upload: JoinSet::new(),
        _place: line.place,
    };
    incoming.upload.spawn(writer.run(write, messages, ended));
    if expected == Expected::Message {
        let (message, head) = incoming.only().await?;
        let mut response = Response::new(content_type, message);
        *response.metadata_mut() = head::metadata(&head.headers);
        return Ok(response);
    }
    if !both {
        let first = poll_fn(|cx| incoming.poll_said(cx));
        match tokio::time::timeout(FIRST_MESSAGE_TIMEOUT, first).await {
            Ok(Some(Err(error))) => return Err(error),
            Ok(first) => incoming.ahead = Some(first.transpose()?.map(|(message, _)| message)),
            Err(_) => {}
        }
    }
    Ok(Response::new(content_type, Body::stream(incoming)))
}

/// Writes the messages of a stream.
struct Writer {
    format: MessageFormat,
    headers: HeaderMap,
    host: String,
    most: usize,
    outbox: Outbox,
    /// Messages so far, the opening one included, which envelopes count.
    messages: u64,
}

impl Writer {
    /// Queues the opening message, which has no body.
    fn open(&mut self) {
        let body = self.format.nothing();
        self.queue(body);
    }

    fn queue(&mut self, body: Bytes) {
        let headers = match self.headers.is_empty() {
            true => &self.format.headers,
            false => &self.headers,
        };
        let length = BodyFraming::Length(body.len() as u64);
        let out = self.outbox.tail();
        write_request(out, &Method::POST, "/", &self.host, headers, length);
        self.outbox.push(body);
        self.messages += 1;
    }

    fn message(&mut self, message: Bytes) -> Result<()> {
        if message.len() > self.most {
            return Err(too_large(self.most));
        }
        let body = self.format.message(message, self.messages)?;
        self.queue(body);
        Ok(())
    }

    /// Queues the end, in order or with an error.
    fn end(&mut self, text: &str) {
        self.headers = self.format.headers.clone();
        self.headers.insert(ERROR, fault::header(text));
        self.queue(Bytes::new());
    }

    /// Sends what is queued and then all messages; records when the last one is sent.
    async fn run(
        mut self,
        mut io: WriteHalf<Io>,
        messages: Option<BodyStream>,
        ended: Arc<AtomicU64>,
    ) {
        if let Some(mut messages) = messages {
            loop {
                let next = poll_fn(|cx| match messages.as_mut().poll_next(cx) {
                    Poll::Ready(next) => Poll::Ready(Some(next)),
                    // Nothing is ready: send what is queued.
                    Poll::Pending if self.outbox.is_empty() => Poll::Pending,
                    Poll::Pending => Poll::Ready(None),
                });
                match next.await {
                    None => {}
                    Some(Some(Ok(message))) => {
                        if let Err(error) = self.message(message) {
                            self.end(&fault::write(&error));
                            break;
                        }
                        if self.outbox.length() < MAX_BATCH_SIZE {
                            continue;
                        }
                    }
                    Some(Some(Err(error))) => {
                        self.end(&fault::write(&error));
                        break;
                    }
                    Some(None) => {
                        self.end(EOS);
                        break;
                    }
                }
                if self.outbox.flush(&mut io).await.is_err() {
                    // The reading side sees the failure, too, and reports it.
                    return;
                }
            }
            if self.outbox.flush(&mut io).await.is_ok() {
                ended.store(time::now().max(1), Relaxed);
            }
        } else if self.outbox.flush(&mut io).await.is_err() {
            return;
        }
        // The connection is needed until its reader has ended.
        std::future::pending::<()>().await;
    }
}

/// The received messages. Dropping it closes the connection, which cancels the call.
struct Incoming {
    address: Arc<str>,
    envelope: Envelope,
    most: usize,
    reader: Reader,
    io: ReadHalf<Io>,
    frames: Frames,
    /// The first message, or the end, if it was waited for.
    ahead: Option<Option<Bytes>>,
    /// Whether the server distinguishes streams, and therefore reports their ends.
    told: bool,
    /// Whether it does so after the client has ended its side.
    says_ends: bool,
    /// When the client ended its side; 0 before.
    ended: Arc<AtomicU64>,
    quiet: Option<Pin<Box<Sleep>>>,
    over: bool,
    upload: JoinSet<()>,
    _place: PoolPermit,
}

impl Incoming {
    /// Returns the only message, with its head.
    async fn only(&mut self) -> Result<(Bytes, Parts)> {
        match poll_fn(|cx| self.poll_said(cx)).await {
            Some(Ok(only)) => Ok(only),
            Some(Err(error)) => Err(error),
            None => Err(
                Error::internal("the node ended the stream without an answer")
                    .with_outcome(Outcome::Unknown),
            ),
        }
    }

    fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(Bytes, Parts)>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let said = self.poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = said {
            self.over = true;
            self.upload.abort_all();
        }
        said
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(Bytes, Parts)>>> {
        let frame = self
            .frames
            .poll(&mut self.reader, &mut self.io, self.most, cx);
        let frame = match frame {
            Poll::Pending => {
                ready!(self.poll_quiet(cx));
                return Poll::Ready(None);
            }
            Poll::Ready(Ok(frame)) => frame,
            Poll::Ready(Err(broken)) => {
                return Poll::Ready(Some(Err(lost(&self.address, broken))));
            }
        };
        self.quiet = None;
        let Some((head, body)) = frame else {
            // Servers before v1.9 end a stream like this, and those that ended it after the client.
            let in_order = !self.told || self.ended.load(Relaxed) > 0;
            return Poll::Ready((!in_order).then(|| {
                let error = Error::unavailable("the node closed the stream amid it");
                Err(error
                    .context(format_args!("node at `{}`", self.address))
                    .with_outcome(Outcome::Unknown))
            }));
        };
        self.told |= head.headers.contains_key(STREAM);
        self.says_ends |= head.headers.contains_key(HALF_CLOSE) && !is_echo(&head);
        Poll::Ready(match head::read(self.envelope, &head, body) {
            Ok(StreamItem::Message(message)) => Some(Ok((message, head))),
            Ok(StreamItem::Ended(text)) if text == EOS => None,
            Ok(StreamItem::Ended(text)) => Some(Err(head::error(&text, &head))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Ready when a server that reports no end has been silent for a while after the client's end.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ended: Nanos = self.ended.load(Relaxed);
        if self.says_ends {
            return Poll::Pending;
        }
        if ended == 0 {
            // Polled again, since our side may have ended meanwhile.
            let _ = self.upload.poll_join_next(cx);
        }
        let quiet = self.quiet.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(time::instant(
                time::now().saturating_add(nanos(END_OF_STREAM_TIMEOUT)),
            )))
        });
        while quiet.as_mut().poll(cx).is_ready() {
            let since = time::now().saturating_sub(ended);
            if ended > 0 && since >= nanos(END_OF_STREAM_TIMEOUT) {
                return Poll::Ready(());
            }
            let again = if ended > 0 {
                nanos(END_OF_STREAM_TIMEOUT) - since
            } else {
                nanos(END_OF_STREAM_TIMEOUT)
            };
            let at = time::instant(time::now().saturating_add(again));
            quiet.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// Whether a server repeats our own headers, as go-micro's do, which then have no meaning.
fn is_echo(head: &Parts) -> bool {
    head.headers.contains_key(header::USER_AGENT)
}

impl Stream for Incoming {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(ahead.map(Ok));
        }
        let said = ready!(self.poll_said(cx));
        Poll::Ready(said.map(|said| said.map(|(message, _)| message)))
    }
}
