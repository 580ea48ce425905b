//! A connection: messages in, calls begun in place, replies out in the order in which they were asked for.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version, request::Parts};
use tokio::io::AsyncWriteExt;

use super::super::{
    fault,
    names::{self, EOS, ERROR, HALF_CLOSE, TOPIC},
};
use super::{
    reply::{Form, Reply},
    stream::Stream,
};
use crate::{
    call::{Answer, Begun, Call, Shape},
    context,
    error::{Error, Outcome, Result},
    message::{ContentType, Request, Response, Target},
    time::{self, NEVER, Nanos, nanos},
    transport::{
        Limits,
        http::{
            Piece,
            h1::{
                Body, BodyFraming, Broken, Taken, Wire, expects_continue, is_kept, write_continue,
                write_response,
            },
            plain, travel,
        },
        protocol::Seat,
    },
};

/// Bytes gathered before more is made of a stream.
const GATHER: usize = 64 * 1024;
/// Messages of a ready stream before others have their turn.
const TURN: usize = 64;
/// Calls at work before no more messages are read. Clients of go-micro's have one at a time.
const PIPELINED: usize = 64;
/// Streams that have ended and whose late messages are known as such.
const REMEMBERED: usize = 64;
/// How long an idle connection still takes a message once the port is going away: one may be under way.
const GRACE: Duration = Duration::from_millis(250);

pub(super) struct Connection {
    wire: Wire,
    seat: Seat,
    call: Arc<dyn Call>,
    limits: Arc<Limits>,
    /// The message whose body comes in.
    coming: Option<Coming>,
    /// Replies in the order of their requests.
    turns: VecDeque<Turn>,
    streams: Vec<Stream>,
    places: Places,
    /// Whether more messages may come.
    kept: bool,
    /// Since when it is idle, or a message is under way.
    since: Option<Nanos>,
    /// When it closes for lack of messages, once the port is going away.
    leaving: Option<Nanos>,
}

struct Coming {
    head: Parts,
    data: BytesMut,
}

enum Turn {
    Ready(Reply),
    Running(Form, Answer),
}

/// Where the last call went, as the next one mostly goes there too.
#[derive(Default)]
struct Places(Option<(Target, Option<Shape>)>);

impl Places {
    fn find(&mut self, service: &str, endpoint: &str, call: &dyn Call) -> (Target, Option<Shape>) {
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
    pub(super) fn new(taken: Taken) -> Self {
        let Taken {
            io,
            reader,
            head,
            framing: _,
            seat,
            call,
            limits,
        } = taken;
        Connection {
            wire: Wire::new(io, reader, limits.idle),
            seat,
            call,
            limits,
            coming: Some(Coming {
                head,
                data: BytesMut::new(),
            }),
            turns: VecDeque::new(),
            streams: Vec::new(),
            places: Places::default(),
            kept: true,
            since: None,
            leaving: None,
        }
    }

    /// Serves it until it ends. What is at work when it breaks is cancelled.
    pub(super) async fn run(mut self) {
        match poll_fn(|cx| self.poll(cx)).await {
            // It was idle: nothing is under way that a close could overtake.
            Ok(()) if self.kept => {
                let _ = self.wire.io.shutdown().await;
                return;
            }
            Ok(()) => {}
            Err(Broken::Refused(status, why)) => {
                tracing::debug!(%status, %why, "a message was refused");
                self.kept = false;
                self.write(Reply::broken(&why), false);
            }
            Err(Broken::Gone(error)) => return tracing::trace!(%error, "a connection ended"),
        }
        self.turns.clear();
        self.streams.clear();
        self.wire.close().await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.seat.listen(cx.waker());
        loop {
            let ready = self.answer(cx);
            if self.wire.poll_flush(cx)?.is_ready() && ready {
                // There was more than fits into one go.
                continue;
            }
            // A stream's opening message may ask for a close, too, and means the one at the stream's end.
            if !self.kept && self.streams.iter().all(Stream::is_ended) {
                if self.is_idle() && self.wire.outbox.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                return self.watch(cx);
            }
            if self.turns.len() >= PIPELINED || !self.streams.iter().all(|one| one.has_room(cx)) {
                return self.wait(cx);
            }
            match self.poll_message(cx)? {
                Poll::Ready(Some((head, body))) => self.take(&head, body),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    /// Polls what is at work and queues what is ready; whether it stopped for the sake of others.
    fn answer(&mut self, cx: &mut Context<'_>) -> bool {
        for turn in &mut self.turns {
            if let Turn::Running(form, answer) = turn
                && let Poll::Ready(answer) = answer.as_mut().poll(cx)
            {
                *turn = Turn::Ready(form.answer(answer));
            }
        }
        while let Some(Turn::Ready(_)) = self.turns.front()
            && let Some(Turn::Ready(reply)) = self.turns.pop_front()
        {
            self.write(reply, false);
        }
        let mut more = false;
        let mut streams = std::mem::take(&mut self.streams);
        for stream in &mut streams {
            let mut taken = 0;
            while self.wire.outbox.length() < GATHER && taken < TURN {
                let Poll::Ready(Some(reply)) = stream.poll_reply(cx) else {
                    break;
                };
                self.write(reply, true);
                taken += 1;
            }
            more |= taken == TURN || self.wire.outbox.length() >= GATHER;
        }
        streams.retain(|stream| !stream.is_over());
        self.streams = streams;
        more
    }

    /// Whether nothing is at work.
    fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.streams.iter().all(Stream::is_idle)
    }

    /// Writes a reply, or a message of a stream, which says nothing of the connection.
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

    /// Looks whether the client is still there, when nothing more of it is wanted.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self.wire.poll_fill(cx)? {
            Poll::Ready(0) => {
                Poll::Ready(Err(Broken::Gone(std::io::ErrorKind::UnexpectedEof.into())))
            }
            Poll::Ready(_) => {
                cx.waker().wake_by_ref();
                self.wait(cx)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    /// Sees to it that it is woken when a limit is over.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let amid = self.coming.is_some() || self.wire.reader.is_amid();
        let idle = self.is_idle();
        let mut until = self.streams.iter().map(|stream| stream.deadline).min();
        if amid || idle {
            let limit = match amid {
                true if self.coming.is_some() => self.limits.frame,
                true => self.limits.handshake,
                // Longer than clients keep a connection, so that it is they who close it.
                false => self.limits.idle + self.limits.keepalive,
            };
            let since = *self.since.get_or_insert_with(time::now);
            let mut end = since.saturating_add(nanos(limit));
            if !amid && self.seat.is_leaving() {
                let leaving = *self
                    .leaving
                    .get_or_insert_with(|| time::now() + nanos(GRACE));
                end = end.min(leaving);
            }
            if self.wire.is_past(end, cx) {
                return Poll::Ready(match amid {
                    true => Err(Broken::Refused(
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

    /// The next message, whole; `None` when the connection has ended after the one before.
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<(Parts, Bytes)>, Broken>> {
        loop {
            if self.coming.is_none()
                && let Some((head, framing)) = self.wire.reader.take_request()?
            {
                if expects_continue(&head) && framing != BodyFraming::None {
                    write_continue(self.wire.outbox.tail());
                    let _ = self.wire.poll_flush(cx)?;
                }
                self.since = None;
                self.coming = Some(Coming {
                    head,
                    data: BytesMut::new(),
                });
            }
            if self.coming.is_some()
                && let Some(whole) = self.gather()?
            {
                self.since = None;
                return Poll::Ready(Ok(Some(whole)));
            }
            let amid = self.coming.is_some() || self.wire.reader.is_amid();
            match self.wire.poll_fill(cx)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) if amid || !self.is_idle() => {
                    let error = std::io::ErrorKind::UnexpectedEof;
                    return Poll::Ready(Err(Broken::Gone(error.into())));
                }
                Poll::Ready(0) => return Poll::Ready(Ok(None)),
                Poll::Ready(_) if !amid => self.since = None,
                Poll::Ready(_) => {}
            }
        }
    }

    /// The message under way, if all of it has come.
    fn gather(&mut self) -> Result<Option<(Parts, Bytes)>, Broken> {
        let Some(coming) = &mut self.coming else {
            return Ok(None);
        };
        let reader = &mut self.wire.reader;
        let most = self.limits.message;
        let too_large = || {
            let why = format!("the body is over the limit `message` of {most} bytes");
            Broken::Refused(StatusCode::PAYLOAD_TOO_LARGE, why.into())
        };
        if reader.left().is_some_and(|left| left > most as u64) {
            return Err(too_large());
        }
        let mut whole = match coming.data.is_empty() {
            true => reader.take_whole(),
            false => None,
        };
        while whole.is_none() {
            match reader.take_body()? {
                Body::More => return Ok(None),
                Body::Done => whole = Some(std::mem::take(&mut coming.data).freeze()),
                Body::Piece(Piece::Data(data)) if coming.data.len() + data.len() > most => {
                    return Err(too_large());
                }
                Body::Piece(Piece::Data(data)) => coming.data.extend_from_slice(&data),
                Body::Piece(Piece::Trailers(_)) => {}
            }
        }
        let head = self.coming.take().map(|coming| coming.head);
        Ok(head.zip(whole))
    }

    /// Takes a message that has come.
    fn take(&mut self, head: &Parts, body: Bytes) {
        self.kept &= is_kept(head.version, &head.headers);
        let now = time::now();
        let headers = &head.headers;
        let mut form = Form::of(headers);
        if let Some(error) = names::value(headers, &ERROR) {
            let text = String::from_utf8_lossy(error.as_bytes());
            return self.end(&form, names::endpoint(headers), &text);
        }
        if let Some(topic) = names::text(headers, &TOPIC) {
            return self.event(form, topic, context_of(headers, now), body);
        }
        let (named, body) = match form.envelope.read_request(&body) {
            Ok(None) => (names::endpoint(headers).map(str::to_owned), body),
            Ok(Some(asked)) => {
                form.number = asked.id;
                form.endpoint.clone_from(&asked.endpoint);
                (
                    Some(asked.endpoint).filter(|name| !name.is_empty()),
                    asked.body,
                )
            }
            Err(error) => return self.refuse(&form, error),
        };
        let Some(endpoint) = named else {
            let error = Error::invalid_argument(
                "the request names no endpoint; say it in the header `Micro-Endpoint`",
            );
            return self.refuse(&form, error);
        };
        if let Some(stream) = self.stream(&form, Some(&endpoint)) {
            let call = self.call.clone();
            return self.streams[stream].push(form, body, &call);
        }
        if self.seat.is_refusing() {
            self.kept = false;
            return self.refuse(&form, Error::unavailable("the node is going away"));
        }
        let service = names::text(headers, &names::SERVICE).unwrap_or_default();
        let (target, shape) = self.places.find(service, &endpoint, &*self.call);
        let context = context_of(headers, now);
        match shape {
            Some(shape) if shape.request_stream || shape.response_stream => {
                self.open(form, target, context, shape);
            }
            _ => self.unary(form, target, context, shape, body, now),
        }
    }

    /// Answers with an error, nothing having been begun.
    fn refuse(&mut self, form: &Form, error: Error) {
        let reply = form.failure(&error.with_outcome(Outcome::Rejected));
        self.turns.push_back(Turn::Ready(reply));
    }

    /// The stream that a message is of: by its number, or else the only one of its endpoint, as clients
    /// before v1.9 have a connection for each.
    fn stream(&self, form: &Form, endpoint: Option<&str>) -> Option<usize> {
        self.streams.iter().position(|stream| {
            stream.form.stream == form.stream
                && (form.stream.is_some()
                    || endpoint.is_none_or(|endpoint| *stream.endpoint == *endpoint))
        })
    }

    /// The client ends a stream. One that is not open is none of our business.
    fn end(&mut self, form: &Form, endpoint: Option<&str>, text: &str) {
        if let Some(stream) = self.stream(form, endpoint) {
            self.streams[stream].end(match text {
                EOS => Ok(()),
                text => Err(fault::read(text)),
            });
        }
    }

    fn open(&mut self, form: Form, target: Target, context: context::Context, shape: Shape) {
        if self.streams.len() >= self.limits.calls.min(PIPELINED + REMEMBERED) {
            match self.streams.iter().position(Stream::is_ended) {
                Some(ended) => drop(self.streams.remove(ended)),
                None => {
                    let error = Error::resource_exhausted(format!(
                        "{} streams are open on one connection, which is the most",
                        self.streams.len()
                    ));
                    return self.refuse(&form, error);
                }
            }
        }
        let window = shape.request_stream.then_some(self.limits.window as usize);
        let stream = Stream::open(form, target, context, window, &self.call);
        self.streams.push(stream);
    }

    fn unary(
        &mut self,
        form: Form,
        target: Target,
        context: context::Context,
        shape: Option<Shape>,
        body: Bytes,
        now: Nanos,
    ) {
        if shape.is_none() && form.stream.is_some() && self.streams.len() < REMEMBERED {
            // What else comes of it is not asked for again.
            self.streams
                .push(Stream::failed(form.clone(), target.endpoint()));
        }
        let body = match (&form.content_type, body.is_empty()) {
            (ContentType::GoJson, true) => Bytes::from_static(b"{}"),
            _ => body,
        };
        let idempotent = shape.unwrap_or_default().idempotent;
        let content_type = form.content_type.clone();
        let request = Request::build(target, context, content_type, body.into(), idempotent);
        let turn = match self.call.begin(request, now) {
            Begun::Done(answer) => Turn::Ready(form.answer(answer)),
            Begun::Running(answer) => Turn::Running(form, answer),
        };
        self.turns.push_back(turn);
    }

    /// Runs the subscribers of a topic that are here, one after another; none is no error.
    fn event(&mut self, form: Form, topic: &str, context: context::Context, body: Bytes) {
        let plain = format!("topic:{topic}");
        let queued = format!("topic:{topic}/");
        let listing = self.call.listing().unwrap_or_default();
        let subscribers = listing
            .endpoints
            .into_iter()
            .filter(move |endpoint| **endpoint == *plain || endpoint.starts_with(&queued));
        let service = listing.service;
        let requests: Vec<Request> = subscribers
            .map(|endpoint| {
                let target = Target::new(&*service, &*endpoint);
                let (context, content_type) = (context.clone(), form.content_type.clone());
                Request::build(target, context, content_type, body.clone().into(), false)
            })
            .collect();
        if requests.is_empty() {
            return self.turns.push_back(Turn::Ready(form.nothing()));
        }
        let call = self.call.clone();
        let answer: Answer = Box::pin(async move {
            let mut failed = None;
            for request in requests {
                failed = call.call(request).await.err().or(failed);
            }
            match failed {
                Some(error) => Err(error),
                None => Ok(Response::new(ContentType::Bytes, Bytes::new())),
            }
        });
        let mut form = form;
        // Nobody reads what subscribers say.
        form.content_type = ContentType::Bytes;
        self.turns.push_back(Turn::Running(form, answer));
    }
}

/// What travels with a call.
fn context_of(headers: &HeaderMap, now: Nanos) -> context::Context {
    let mut context = travel::context(headers, now, plain::timeout(headers));
    context.metadata_mut().remove(HALF_CLOSE.as_str());
    context
}
