//! A connection at the server: requests in order, each started in place; responses are gathered until no more requests
//! have arrived.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version, request::Parts};

use super::{
    Body, BodyFraming, MessageError, Reader, expects_continue,
    inbox::{Inbox, Incoming, lost},
    is_kept,
    message_io::MessageIo,
    reader::EagerBody,
    write_continue,
};
use crate::{
    error::{Code, Error, Outcome},
    http::{HttpAnswer, HttpBegun, HttpBody, HttpService},
    net::{
        Limits,
        buffered::MIN_COUNTED_BYTES,
        io::Io,
        protocol::{Accepted, ConnectionGuard},
    },
    time::{self, Nanos, nanos},
};

/// A body up to this size is read completely before its request is started.
const MAX_EAGER_BODY: u64 = 64 * 1024;
/// How long an idle connection still accepts a request once the port is shutting down: one may be on its way.
const IDLE_GRACE_TIMEOUT: Duration = Duration::from_millis(250);

/// A connection that continues in another protocol. Every earlier request has been answered.
pub(crate) struct Upgraded<S> {
    pub(crate) io: Io,
    /// The reader; the request's body is next.
    pub(crate) reader: Reader,
    /// The head of the other protocol's request. If it expects `100 Continue`, that has been sent.
    pub(crate) head: Parts,
    /// How the port ends the connection.
    pub(crate) seat: ConnectionGuard,
    /// What answered the requests so far.
    pub(crate) service: S,
}

/// Serves one connection until it ends, or until `leaves` recognises a request's head as that of another protocol.
pub(crate) async fn serve<S: HttpService>(
    accepted: Accepted,
    service: S,
    leaves: impl Fn(&S, &Parts) -> bool,
) -> Option<Upgraded<S>> {
    let Accepted { io, first, seat } = accepted;
    let limits = service.limits().clone();
    let wire = MessageIo::new(io, Reader::new(&first, limits.clone()), limits.idle_timeout)
        .counted(seat.buffered().account());
    let mut connection = Connection {
        wire,
        service,
        seat,
        limits,
        kept: true,
        batch: None,
        leaving: None,
    };
    poll_fn(|cx| {
        connection.seat.listen(cx.waker());
        Poll::Ready(())
    })
    .await;
    match connection.run(leaves).await {
        Ok(Some(head)) => {
            let Connection {
                wire,
                service,
                seat,
                ..
            } = connection;
            return Some(Upgraded {
                io: wire.io,
                reader: wire.reader,
                head,
                seat,
                service,
            });
        }
        Ok(None) => connection.wire.close().await,
        Err(MessageError::Refused(status, why)) => {
            tracing::debug!(%status, %why, "a request was refused");
            connection.refuse(status, &why);
            connection.wire.close().await;
        }
        Err(MessageError::Io(error)) => tracing::trace!(%error, "a connection ended"),
    }
    None
}

pub(super) struct Connection<S> {
    pub(super) wire: MessageIo,
    service: S,
    seat: ConnectionGuard,
    pub(super) limits: Arc<Limits>,
    /// Whether another request may follow the present one.
    pub(super) kept: bool,
    /// When the present requests were read.
    batch: Option<Nanos>,
    /// When the connection closes if it stays idle, once the port is shutting down.
    leaving: Option<Nanos>,
}

/// What the response to a request depends on.
pub(super) struct RequestInfo {
    pub(super) method: Method,
    pub(super) version: Version,
    /// The destination of the rest of its body.
    pub(super) inbox: Option<Arc<Inbox>>,
    /// Whether the client waits for `100 Continue`.
    pub(super) waits: bool,
}

impl<S: HttpService> Connection<S> {
    /// Answers requests until the connection ends, or until one belongs to another protocol, whose head is returned.
    async fn run(
        &mut self,
        leaves: impl Fn(&S, &Parts) -> bool,
    ) -> Result<Option<Parts>, MessageError> {
        while self.kept {
            let Some((head, framing)) = self.next().await? else {
                break;
            };
            if leaves(&self.service, &head) {
                if expects_continue(&head) && framing != BodyFraming::None {
                    write_continue(self.wire.outbox.tail());
                }
                self.wire.flush().await?;
                return Ok(Some(head));
            }
            self.kept = is_kept(head.version, &head.headers);
            if self.seat.is_refusing() {
                self.turn_away(&head);
                break;
            }
            let mut info = RequestInfo {
                method: head.method.clone(),
                version: head.version,
                inbox: None,
                waits: expects_continue(&head),
            };
            let body = self.body(framing, &mut info).await?;
            let now = *self.batch.get_or_insert_with(time::now);
            let request = Request::from_parts(head, body);
            let response = match self.service.begin(request, now) {
                HttpBegun::Done(response) => response,
                HttpBegun::Running(answer) => self.wait(answer, &mut info).await?,
            };
            self.respond(response, info).await?;
        }
        Ok(None)
    }

    /// Returns the next request's head; `None` at the end.
    async fn next(&mut self) -> Result<Option<(Parts, BodyFraming)>, MessageError> {
        if let Some(head) = self.wire.reader.take_request()? {
            return Ok(Some(head));
        }
        let mut since = None;
        let mut amid = self.wire.reader.is_amid();
        self.batch = None;
        loop {
            match poll_fn(|cx| self.poll_next(&mut since, amid, cx)).await? {
                0 if amid => return Err(MessageError::cut_off()),
                0 => return Ok(None),
                _ => {}
            }
            if let Some(head) = self.wire.reader.take_request()? {
                return Ok(Some(head));
            }
            if !std::mem::replace(&mut amid, true) {
                since = None;
            }
        }
    }

    /// Writes what waits, then reads; 0 at the end.
    fn poll_next(
        &mut self,
        since: &mut Option<Nanos>,
        amid: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, MessageError>> {
        if let Poll::Ready(Err(error)) = self.wire.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        // A client that does not read its responses gets no more of them.
        if self.wire.outbox.is_empty()
            && let Poll::Ready(read) = self.wire.poll_fill(cx)
        {
            return Poll::Ready(read);
        }
        let now = since.get_or_insert_with(time::now);
        let limits = &self.limits;
        // Longer than clients keep a connection, so that clients close it.
        let quiet = limits.idle_timeout + limits.keepalive_interval;
        let limit = if amid {
            limits.handshake_timeout
        } else {
            quiet
        };
        let mut until = now.saturating_add(nanos(limit));
        if !amid && self.seat.is_leaving() {
            let leaving = *self
                .leaving
                .get_or_insert_with(|| time::now() + nanos(IDLE_GRACE_TIMEOUT));
            until = until.min(leaving);
        }
        match self.wire.is_past(until, cx) {
            true if amid => Poll::Ready(Err(MessageError::slow(
                "a head",
                "handshake_timeout",
                limit,
            ))),
            true => Poll::Ready(Ok(0)),
            false => Poll::Pending,
        }
    }

    /// The body of a request: complete if it is small or has arrived already.
    async fn body(
        &mut self,
        framing: BodyFraming,
        info: &mut RequestInfo,
    ) -> Result<HttpBody, MessageError> {
        let length = match framing {
            BodyFraming::None | BodyFraming::Length(0) => {
                info.waits = false;
                return Ok(HttpBody::empty());
            }
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
        };
        if let Some(whole) = self.wire.reader.take_whole() {
            info.waits = false;
            return Ok(HttpBody::Whole(whole));
        }
        if length.is_some_and(|length| length <= MAX_EAGER_BODY) {
            if std::mem::take(&mut info.waits) {
                write_continue(self.wire.outbox.tail());
            }
            self.wire.flush().await?;
            let limit = self.limits.frame_timeout;
            let whole = tokio::time::timeout(limit, self.whole()).await;
            let whole =
                whole.map_err(|_| MessageError::slow("a body", "frame_timeout", limit))??;
            return Ok(HttpBody::Whole(whole));
        }
        let inbox = Inbox::new(
            self.limits.stream_window as usize,
            self.seat.buffered().account(),
        );
        let first = match self.wire.reader.take_all()? {
            EagerBody::Partial(first) => first,
            EagerBody::Whole(whole) => {
                info.waits = false;
                return Ok(whole);
            }
        };
        first.into_iter().for_each(|piece| inbox.push(piece));
        info.inbox = Some(inbox.clone());
        Ok(HttpBody::stream(Incoming(inbox)))
    }

    /// A small body of a known length, counted while it arrives.
    async fn whole(&mut self) -> Result<Bytes, MessageError> {
        loop {
            if let Some(whole) = self.wire.reader.take_whole() {
                return Ok(whole);
            }
            let held = self.wire.reader.buffered();
            if let Some(error) = self
                .seat
                .buffered()
                .over()
                .filter(|_| held > MIN_COUNTED_BYTES)
            {
                let status = StatusCode::TOO_MANY_REQUESTS;
                return Err(MessageError::Refused(
                    status,
                    error.message().to_owned().into(),
                ));
            }
            if poll_fn(|cx| self.wire.poll_fill(cx)).await? == 0 {
                return Err(MessageError::cut_off());
            }
        }
    }

    /// The response to a request in progress; an error as soon as the client has disconnected.
    async fn wait(
        &mut self,
        mut answer: HttpAnswer,
        info: &mut RequestInfo,
    ) -> Result<Response<HttpBody>, MessageError> {
        let mut silent = None;
        // The next request may come long after.
        self.batch = None;
        poll_fn(|cx| {
            if let Poll::Ready(response) = answer.as_mut().poll(cx) {
                return Poll::Ready(Ok(response));
            }
            if let Poll::Ready(Err(error)) = self.wire.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            match self.poll_feed(info, &mut silent, cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// Passes on what has arrived of the body, or checks whether the client is still connected. `silent`
    /// is since when nothing has arrived of a body that is waited for.
    pub(super) fn poll_feed(
        &mut self,
        info: &mut RequestInfo,
        silent: &mut Option<Nanos>,
        cx: &mut Context<'_>,
    ) -> Result<(), MessageError> {
        loop {
            if let Some(inbox) = &info.inbox {
                if inbox.poll_room(cx).is_pending() {
                    return Ok(());
                }
                if std::mem::take(&mut info.waits) {
                    write_continue(self.wire.outbox.tail());
                    let _ = self.wire.poll_flush(cx)?;
                }
                match self.wire.reader.take_body() {
                    Ok(Body::Piece(piece)) => {
                        inbox.push(piece);
                        continue;
                    }
                    Ok(Body::Done) => {
                        inbox.end(Ok(()));
                        info.inbox = None;
                    }
                    Ok(Body::More) => {}
                    Err(error) => {
                        inbox.end(Err(lost()));
                        return Err(error);
                    }
                }
            }
            match self.wire.poll_fill(cx)? {
                Poll::Ready(0) => {
                    if let Some(inbox) = &info.inbox {
                        inbox.end(Err(lost()));
                    }
                    return Err(MessageError::cut_off());
                }
                Poll::Ready(_) => *silent = None,
                Poll::Pending => break,
            }
        }
        if info.inbox.is_none() {
            return Ok(());
        }
        let since = *silent.get_or_insert_with(time::now);
        let limit = self.limits.idle_timeout;
        match self.wire.is_past(since.saturating_add(nanos(limit)), cx) {
            true => Err(MessageError::slow("a body", "idle_timeout", limit)),
            false => Ok(()),
        }
    }

    /// Whether the port is shutting down, so that this connection ends with the present request.
    pub(super) fn is_leaving(&self) -> bool {
        self.seat.is_leaving()
    }

    /// Refuses a request before any work.
    fn turn_away(&mut self, head: &Parts) {
        self.kept = false;
        let error = Error::unavailable("the node is going away").with_outcome(Outcome::Rejected);
        let response = self
            .service
            .refusal(&error, StatusCode::SERVICE_UNAVAILABLE);
        self.queue_whole(response, &head.method, head.version);
    }

    /// Sends the reason why nothing more is read.
    fn refuse(&mut self, status: StatusCode, why: &str) {
        self.kept = false;
        let (code, outcome) = match status {
            StatusCode::REQUEST_TIMEOUT => (Code::DeadlineExceeded, Outcome::Answered),
            StatusCode::NOT_IMPLEMENTED => (Code::Unimplemented, Outcome::Answered),
            StatusCode::PAYLOAD_TOO_LARGE => (Code::ResourceExhausted, Outcome::Answered),
            // The limit of buffered bytes did not allow reading it.
            StatusCode::TOO_MANY_REQUESTS => (Code::ResourceExhausted, Outcome::Rejected),
            _ => (Code::InvalidArgument, Outcome::Answered),
        };
        let error = Error::new(code, why.to_owned()).with_outcome(outcome);
        let response = self.service.refusal(&error, status);
        self.queue_whole(response, &Method::POST, Version::HTTP_11);
    }
}
