//! A connection: reads messages, starts calls in place, writes replies in the order of their requests.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, Version, request::Parts};
use tokio::io::AsyncWriteExt;

use super::{
    reply::{Reply, ReplyFormat},
    stream::Stream,
};
use crate::{
    call::{Answer, Call, Shape},
    http::{
        Piece,
        h1::{
            Body, BodyFraming, MessageError, MessageIo, Upgraded, expects_continue, write_continue,
            write_response,
        },
    },
    message::Target,
    net::{
        Limits,
        buffered::{ByteReservation, MIN_COUNTED_BYTES},
        protocol::ConnectionGuard,
    },
    protocols::{
        access::Access, connection_context::ConnectionContext, dispatcher::RequestDispatcher,
    },
    time::{self, NEVER, Nanos, nanos},
};

/// Bytes buffered for writing before a stream is polled for more.
const MAX_BATCH_SIZE: usize = 64 * 1024;
/// Messages taken from a ready stream before other streams are polled.
const MAX_MESSAGES_PER_POLL: usize = 64;
/// Concurrent calls of a connection; further messages are not read. go-micro clients send one at a time.
pub(super) const MAX_PIPELINED_CALLS: usize = 64;
/// How long an idle connection stays open after go-away, for a message already sent.
const CLOSE_DELAY: Duration = Duration::from_millis(250);

pub(super) struct Connection {
    wire: MessageIo,
    pub(super) seat: ConnectionGuard,
    pub(super) call: Arc<dyn Call>,
    pub(super) access: Access,
    pub(super) limits: Arc<Limits>,
    /// The message whose body is being received.
    incoming: Option<IncomingMessage>,
    /// Replies in the order of their requests.
    pub(super) replies: VecDeque<PendingReply>,
    pub(super) streams: Vec<Stream>,
    pub(super) targets: TargetCache,
    /// Whether the connection is kept alive.
    pub(super) kept: bool,
    /// Start of the current idle period or message.
    since: Option<Nanos>,
    /// When the idle connection closes after go-away.
    leaving: Option<Nanos>,
    /// Counts the bytes of the incoming message, of the bodies of running calls, and of queued replies.
    account: ByteReservation,
}

struct IncomingMessage {
    head: Parts,
    data: BytesMut,
}

pub(super) enum PendingReply {
    Ready(Reply),
    /// The last field is the size of the request's body, in bytes.
    Running(ReplyFormat, Answer, usize),
}

impl PendingReply {
    /// Bytes of a finished reply.
    fn replied(&self) -> usize {
        match self {
            PendingReply::Ready(reply) => reply.body.len(),
            PendingReply::Running(..) => 0,
        }
    }
}

/// The target of the last call. Consecutive calls often have the same target.
#[derive(Default)]
pub(super) struct TargetCache(Option<(Target, Option<Shape>)>);

impl TargetCache {
    pub(super) fn find(
        &mut self,
        service: &str,
        endpoint: &str,
        call: &dyn Call,
    ) -> (Target, Option<Shape>) {
        if let Some((target, shape)) = &self.0
            && target.endpoint() == endpoint
            && target.service() == service
        {
            return (target.clone(), *shape);
        }
        let found = (Target::new(service, endpoint), call.shape(endpoint));
        self.0 = Some(found.clone());
        found
    }
}

impl Connection {
    pub(super) fn new(upgraded: Upgraded<RequestDispatcher>) -> Self {
        let Upgraded {
            io,
            reader,
            head,
            seat,
            service,
        } = upgraded;
        let ConnectionContext {
            call,
            access,
            limits,
            ..
        } = service.connection;
        Connection {
            wire: MessageIo::new(io, reader, limits.idle_timeout)
                .counted(seat.buffered().account()),
            account: seat.buffered().account(),
            seat,
            call,
            access,
            limits,
            incoming: Some(IncomingMessage {
                head,
                data: BytesMut::new(),
            }),
            replies: VecDeque::new(),
            streams: Vec::new(),
            targets: TargetCache::default(),
            kept: true,
            since: None,
            leaving: None,
        }
    }

    /// Serves the connection until it closes. If it breaks, running calls are cancelled.
    pub(super) async fn run(mut self) {
        match poll_fn(|cx| self.poll(cx)).await {
            // It was idle: no call is in progress that a close could overtake.
            Ok(()) if self.kept => {
                let _ = self.wire.io.shutdown().await;
                return;
            }
            Ok(()) => {}
            Err(MessageError::Refused(status, why)) => {
                tracing::debug!(%status, %why, "a message was refused");
                self.kept = false;
                self.write(Reply::broken(&why), false);
            }
            Err(MessageError::Io(error)) => return tracing::trace!(%error, "a connection ended"),
        }
        self.replies.clear();
        self.streams.clear();
        self.wire.close().await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MessageError>> {
        self.seat.listen(cx.waker());
        loop {
            let ready = self.answer(cx);
            self.count();
            if self.wire.poll_flush(cx)?.is_ready() && ready {
                // There was more than fits into one read.
                continue;
            }
            // A stream's opening message may ask for a close, too, which then follows the stream's end.
            if !self.kept && self.streams.iter().all(Stream::is_ended) {
                if self.is_idle() && self.wire.outbox.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                return self.watch(cx);
            }
            // A client that does not read its replies must not queue more.
            if self.replies.len() >= MAX_PIPELINED_CALLS
                || self.is_full()
                || !self.streams.iter().all(|one| one.has_room(cx))
            {
                return self.wait(cx);
            }
            match self.poll_message(cx)? {
                Poll::Ready(Some((head, body))) => self.take(&head, body),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    /// Polls running calls and queues finished replies. Returns whether more work is ready.
    fn answer(&mut self, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        let mut queued = self.queued();
        for (place, turn) in self.replies.iter_mut().enumerate() {
            // The others wait for the first one.
            if place > 0 && queued > self.limits.max_queued_bytes {
                more = true;
                break;
            }
            if let PendingReply::Running(format, answer, _) = turn
                && let Poll::Ready(answer) = answer.as_mut().poll(cx)
            {
                *turn = PendingReply::Ready(format.answer(answer));
                queued += turn.replied();
            }
        }
        while let Some(PendingReply::Ready(_)) = self.replies.front() {
            if self.wire.outbox.length() > self.limits.max_queued_bytes {
                more = true;
                break;
            }
            let Some(PendingReply::Ready(reply)) = self.replies.pop_front() else {
                break;
            };
            self.write(reply, false);
        }
        // It would have no effect: the others wait for the first running call.
        more &= !self.wire.outbox.is_empty();
        let mut streams = std::mem::take(&mut self.streams);
        for stream in &mut streams {
            let mut taken = 0;
            while self.wire.outbox.length() < MAX_BATCH_SIZE && taken < MAX_MESSAGES_PER_POLL {
                let Poll::Ready(Some(reply)) = stream.poll_reply(cx) else {
                    break;
                };
                self.write(reply, true);
                taken += 1;
            }
            more |= taken == MAX_MESSAGES_PER_POLL || self.wire.outbox.length() >= MAX_BATCH_SIZE;
        }
        streams.retain(|stream| !stream.is_over());
        self.streams = streams;
        more
    }

    /// Bytes of queued replies.
    fn queued(&self) -> usize {
        self.wire.outbox.length()
            + self
                .replies
                .iter()
                .map(PendingReply::replied)
                .sum::<usize>()
    }

    /// Whether the queued replies are over the limit.
    fn is_full(&self) -> bool {
        self.queued() > self.limits.max_queued_bytes
    }

    /// Updates the count of buffered bytes.
    fn count(&self) {
        let replies = self.replies.iter().map(|turn| match turn {
            PendingReply::Ready(reply) => reply.body.len(),
            PendingReply::Running(_, _, request) => *request,
        });
        let incoming = self
            .incoming
            .as_ref()
            .map_or(0, |incoming| incoming.data.len());
        self.account.set(incoming + replies.sum::<usize>());
    }

    /// Whether no call is running.
    fn is_idle(&self) -> bool {
        self.replies.is_empty() && self.streams.iter().all(Stream::is_idle)
    }

    /// Writes a reply, or a message of a stream, which has no header about the connection.
    fn write(&mut self, reply: Reply, streams: bool) {
        let length = BodyFraming::Length(reply.body.len() as u64);
        let kept = streams || (self.kept && !self.seat.is_leaving());
        let out = self.wire.outbox.tail();
        write_response(
            out,
            reply.status,
            &reply.headers,
            length,
            Version::HTTP_11,
            kept,
        );
        self.wire.outbox.push(reply.body);
    }

    /// Detects a client that disconnects while no more messages are read.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MessageError>> {
        match self.wire.poll_fill(cx)? {
            Poll::Ready(0) => Poll::Ready(Err(MessageError::Io(
                std::io::ErrorKind::UnexpectedEof.into(),
            ))),
            Poll::Ready(_) => {
                cx.waker().wake_by_ref();
                self.wait(cx)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    /// Registers for the next time limit.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), MessageError>> {
        let amid = self.incoming.is_some() || self.wire.reader.is_amid();
        let idle = self.is_idle();
        let mut until = self.streams.iter().map(|stream| stream.deadline).min();
        if amid || idle {
            let limit = match amid {
                true if self.incoming.is_some() => self.limits.frame_timeout,
                true => self.limits.handshake_timeout,
                // Longer than clients keep a connection, so that clients close it.
                false => self.limits.idle_timeout + self.limits.keepalive_interval,
            };
            let since = *self.since.get_or_insert_with(time::now);
            let mut end = since.saturating_add(nanos(limit));
            if !amid && self.seat.is_leaving() {
                let leaving = *self
                    .leaving
                    .get_or_insert_with(|| time::now() + nanos(CLOSE_DELAY));
                end = end.min(leaving);
            }
            if self.wire.is_past(end, cx) {
                return Poll::Ready(match amid {
                    true => Err(MessageError::Refused(
                        StatusCode::REQUEST_TIMEOUT,
                        format!("a message did not come whole within {limit:?}").into(),
                    )),
                    false => Ok(()),
                });
            }
        } else {
            self.since = None;
        }
        let deadline = until.take().unwrap_or(NEVER);
        if self.wire.is_past(deadline, cx) {
            let now = time::now();
            let mut late = Vec::new();
            for stream in &mut self.streams {
                if stream.deadline <= now {
                    late.extend(stream.cut_off());
                    stream.deadline = NEVER;
                }
            }
            late.into_iter().for_each(|reply| self.write(reply, true));
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The next complete message; `None` if the connection closed between messages.
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<(Parts, Bytes)>, MessageError>> {
        loop {
            if self.incoming.is_none()
                && let Some((head, framing)) = self.wire.reader.take_request()?
            {
                if expects_continue(&head) && framing != BodyFraming::None {
                    write_continue(self.wire.outbox.tail());
                    let _ = self.wire.poll_flush(cx)?;
                }
                self.since = None;
                self.incoming = Some(IncomingMessage {
                    head,
                    data: BytesMut::new(),
                });
            }
            if self.incoming.is_some()
                && let Some(whole) = self.gather()?
            {
                self.since = None;
                return Poll::Ready(Ok(Some(whole)));
            }
            let amid = self.incoming.is_some() || self.wire.reader.is_amid();
            match self.wire.poll_fill(cx)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) if amid || !self.is_idle() => {
                    let error = std::io::ErrorKind::UnexpectedEof;
                    return Poll::Ready(Err(MessageError::Io(error.into())));
                }
                Poll::Ready(0) => return Poll::Ready(Ok(None)),
                Poll::Ready(_) if !amid => self.since = None,
                Poll::Ready(_) => {}
            }
        }
    }

    /// The incoming message, if complete.
    fn gather(&mut self) -> Result<Option<(Parts, Bytes)>, MessageError> {
        let Some(incoming) = &mut self.incoming else {
            return Ok(None);
        };
        let reader = &mut self.wire.reader;
        let most = self.limits.max_message_size;
        let too_large = || {
            let why = format!("the body is over the limit `max_message_size` of {most} bytes");
            MessageError::Refused(StatusCode::PAYLOAD_TOO_LARGE, why.into())
        };
        if reader.left().is_some_and(|left| left > most as u64) {
            return Err(too_large());
        }
        let mut whole = match incoming.data.is_empty() {
            true => reader.take_whole(),
            false => None,
        };
        while whole.is_none() {
            match reader.take_body()? {
                Body::More => {
                    let came = incoming.data.len();
                    if came > MIN_COUNTED_BYTES {
                        self.count();
                        if let Some(error) = self.seat.buffered().over() {
                            let status = StatusCode::SERVICE_UNAVAILABLE;
                            return Err(MessageError::Refused(
                                status,
                                error.message().to_owned().into(),
                            ));
                        }
                    }
                    return Ok(None);
                }
                Body::Done => whole = Some(std::mem::take(&mut incoming.data).freeze()),
                Body::Piece(Piece::Data(data)) if incoming.data.len() + data.len() > most => {
                    return Err(too_large());
                }
                Body::Piece(Piece::Data(data)) => incoming.data.extend_from_slice(&data),
                Body::Piece(Piece::Trailers(_)) => {}
            }
        }
        let head = self.incoming.take().map(|incoming| incoming.head);
        Ok(head.zip(whole))
    }
}
