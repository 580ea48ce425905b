//! Starts the work that a message asks for.

use bytes::Bytes;
use http::{HeaderMap, request::Parts};

use super::{
    super::{
        fault,
        names::{self, EOS, ERROR, HALF_CLOSE, TOPIC},
    },
    connection::{Connection, MAX_PIPELINED_CALLS, PendingReply},
    inbox::Inbox,
    reply::{Reply, ReplyFormat},
    stream::Stream,
};
use crate::{
    call::{Answer, Begun, Refusal, Shape},
    context,
    error::{Error, Outcome},
    http::{coding, h1::is_kept},
    message::{ContentType, Request, Response, Target},
    protocols::{
        addressing::{self, AddressCheck},
        propagation,
    },
    time::{self, Nanos},
};

/// Number of ended streams whose late messages are recognised.
const MAX_ENDED_STREAMS: usize = 64;

impl Connection {
    /// Handles a complete message.
    pub(super) fn take(&mut self, head: &Parts, body: Bytes) {
        self.kept &= is_kept(head.version, &head.headers);
        let now = time::now();
        let headers = &head.headers;
        let mut format = ReplyFormat::of(headers);
        if let Some(error) = self.access.refuse(&head.uri, &head.headers) {
            return self
                .replies
                .push_back(PendingReply::Ready(Reply::forbidden(&error)));
        }
        let decoded = coding::of(headers)
            .inspect_err(|_| self.access.count(Refusal::ContentEncoding))
            .and_then(|coding| coding::decode(coding, body, self.limits.max_message_size));
        let body = match decoded {
            Ok(body) => body,
            Err(error) => return self.refuse(&format, error),
        };
        if let Some(error) = names::value(headers, &ERROR) {
            let text = String::from_utf8_lossy(error.as_bytes());
            return self.end(&format, names::endpoint(headers), &text);
        }
        if let Some(topic) = names::text(headers, &TOPIC) {
            return self.event(format, topic, context_of(headers, now), body);
        }
        let (named, body) = match format.envelope.read_request(&body) {
            Ok(None) => (names::endpoint(headers).map(str::to_owned), body),
            Ok(Some(asked)) => {
                format.number = asked.id;
                format.endpoint.clone_from(&asked.endpoint);
                (
                    Some(asked.endpoint).filter(|name| !name.is_empty()),
                    asked.body,
                )
            }
            Err(error) => return self.refuse(&format, error),
        };
        let Some(endpoint) = named else {
            let error = Error::invalid_argument(
                "the request names no endpoint; say it in the header `Micro-Endpoint`",
            );
            return self.refuse(&format, error);
        };
        if let Some(stream) = self.stream(&format, Some(&endpoint)) {
            let call = self.call.clone();
            return self.streams[stream].push(format, body, &call);
        }
        if let AddressCheck::Misdirected(error) =
            addressing::check(&*self.call, &head.method, headers)
        {
            return self.refuse(&format, error);
        }
        if self.seat.is_refusing() {
            self.kept = false;
            return self.refuse(&format, Error::unavailable("the node is going away"));
        }
        let service = names::text(headers, &names::SERVICE).unwrap_or_default();
        let (target, shape) = self.targets.find(service, &endpoint, &*self.call);
        let context = context_of(headers, now);
        match shape {
            Some(shape) if shape.request_stream || shape.response_stream => {
                self.open(format, target, context, shape);
            }
            _ => self.unary(format, target, context, shape, body, now),
        }
    }

    /// Answers with an error, without having begun any work.
    fn refuse(&mut self, format: &ReplyFormat, error: Error) {
        let reply = format.failure(&error.with_outcome(Outcome::Rejected));
        self.replies.push_back(PendingReply::Ready(reply));
    }

    /// The stream of a message: by its number, or else the only one of its endpoint, since clients
    /// before v1.9 have a connection for each.
    fn stream(&self, format: &ReplyFormat, endpoint: Option<&str>) -> Option<usize> {
        self.streams.iter().position(|stream| {
            stream.format.stream == format.stream
                && (format.stream.is_some()
                    || endpoint.is_none_or(|endpoint| *stream.endpoint == *endpoint))
        })
    }

    /// The client ends a stream. The end of an unknown stream is ignored.
    fn end(&mut self, format: &ReplyFormat, endpoint: Option<&str>, text: &str) {
        if let Some(stream) = self.stream(format, endpoint) {
            self.streams[stream].end(match text {
                EOS => Ok(()),
                text => Err(fault::read(text)),
            });
        }
    }

    fn open(
        &mut self,
        format: ReplyFormat,
        target: Target,
        context: context::Context,
        shape: Shape,
    ) {
        if self.streams.len()
            >= self
                .limits
                .max_concurrent_calls
                .min(MAX_PIPELINED_CALLS + MAX_ENDED_STREAMS)
        {
            match self.streams.iter().position(Stream::is_ended) {
                Some(ended) => drop(self.streams.remove(ended)),
                None => {
                    let error = Error::resource_exhausted(format!(
                        "{} streams are open on one connection, which is the most",
                        self.streams.len()
                    ));
                    return self.refuse(&format, error);
                }
            }
        }
        let buffered = self.seat.buffered();
        if let Some(error) = buffered.over() {
            return self.refuse(&format, error);
        }
        let window = self.limits.stream_window as usize;
        let inbox = shape
            .request_stream
            .then(|| Inbox::new(window, buffered.account()));
        let stream = Stream::open(format, target, context, inbox, &self.call);
        self.streams.push(stream);
    }

    fn unary(
        &mut self,
        format: ReplyFormat,
        target: Target,
        context: context::Context,
        shape: Option<Shape>,
        body: Bytes,
        now: Nanos,
    ) {
        if shape.is_none() && format.stream.is_some() && self.streams.len() < MAX_ENDED_STREAMS {
            // Its other results are not needed.
            self.streams
                .push(Stream::failed(format.clone(), target.endpoint()));
        }
        let is_probe = target.endpoint().starts_with("Debug.");
        if let Some(error) = self.seat.buffered().over().filter(|_| !is_probe) {
            return self.refuse(&format, error);
        }
        let length = body.len();
        let body = match (&format.content_type, body.is_empty()) {
            (ContentType::GoJson, true) => Bytes::from_static(b"{}"),
            _ => body,
        };
        let idempotent = shape.unwrap_or_default().idempotent;
        let content_type = format.content_type.clone();
        let request = Request::build(target, context, content_type, body.into(), idempotent);
        let turn = match self.call.begin(request, now) {
            Begun::Done(answer) => PendingReply::Ready(format.answer(answer)),
            Begun::Running(answer) => PendingReply::Running(format, answer, length),
        };
        self.replies.push_back(turn);
    }

    /// Runs the local subscribers of a topic, one after another; none is no error.
    fn event(&mut self, format: ReplyFormat, topic: &str, context: context::Context, body: Bytes) {
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
                let (context, content_type) = (context.clone(), format.content_type.clone());
                Request::build(target, context, content_type, body.clone().into(), false)
            })
            .collect();
        if requests.is_empty() {
            return self
                .replies
                .push_back(PendingReply::Ready(format.nothing()));
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
        let mut format = format;
        // Nobody reads the subscribers' responses.
        format.content_type = ContentType::Bytes;
        self.replies
            .push_back(PendingReply::Running(format, answer, body.len()));
    }
}

/// The context of a call.
fn context_of(headers: &HeaderMap, now: Nanos) -> context::Context {
    let mut context = propagation::context(headers, now, propagation::timeout(headers));
    context
        .metadata_mut()
        .remove(http::header::CONTENT_ENCODING.as_str());
    context.metadata_mut().remove(HALF_CLOSE.as_str());
    context
}
