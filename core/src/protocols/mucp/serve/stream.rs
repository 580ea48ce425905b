//! A stream of a connection: messages in, messages out, and how each side ends it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    inbox::{Inbox, Incoming},
    reply::{Reply, ReplyFormat},
};
use crate::{
    call::{Answer, Call},
    context,
    error::{Error, Outcome, Result},
    message::{Body, BodyStream, Request, Target},
    time::Nanos,
};

/// A stream, from its opening message until the client has ended it or the connection is gone.
pub(super) struct Stream {
    /// Of the opening message; its number is that of the last message that came.
    pub(super) format: ReplyFormat,
    pub(super) endpoint: Box<str>,
    /// The form of the end, whose number is the opening message's.
    last: ReplyFormat,
    state: StreamState,
    /// Where the client's messages go.
    inbox: Option<Arc<Inbox>>,
    /// When it is cut off.
    pub(super) deadline: Nanos,
    /// The client sends nothing more.
    client_ended: bool,
}

enum StreamState {
    /// Waits for the one message that the request is.
    Opened(Box<(Target, context::Context)>),
    Answering(Answer),
    Streaming(BodyStream),
    /// All is said. Messages that still come are for nobody.
    Ended,
}

impl Stream {
    /// One that has opened; the body of that message means nothing. With `inbox` the request is a stream.
    pub(super) fn open(
        format: ReplyFormat,
        target: Target,
        context: context::Context,
        inbox: Option<Arc<Inbox>>,
        call: &Arc<dyn Call>,
    ) -> Self {
        let endpoint = target.endpoint().into();
        let deadline = context.deadline();
        let state = match &inbox {
            None => StreamState::Opened(Box::new((target, context))),
            Some(inbox) => {
                let body = Body::stream(Incoming(inbox.clone()));
                StreamState::Answering(call.call(request(target, context, &format, body)))
            }
        };
        Stream {
            last: format.clone(),
            format,
            endpoint,
            state,
            inbox,
            deadline,
            client_ended: false,
        }
    }

    /// One that has failed already; its next messages are for nobody.
    pub(super) fn failed(format: ReplyFormat, endpoint: &str) -> Self {
        Stream {
            last: format.clone(),
            format,
            endpoint: endpoint.into(),
            state: StreamState::Ended,
            inbox: None,
            deadline: crate::time::NEVER,
            client_ended: false,
        }
    }

    /// Takes a message of the client's.
    pub(super) fn push(&mut self, format: ReplyFormat, body: Bytes, call: &Arc<dyn Call>) {
        self.format = format;
        if let Some(inbox) = &self.inbox {
            return inbox.push(body);
        }
        self.state = match std::mem::replace(&mut self.state, StreamState::Ended) {
            StreamState::Opened(opened) => {
                let (target, context) = *opened;
                StreamState::Answering(call.call(request(
                    target,
                    context,
                    &self.format,
                    body.into(),
                )))
            }
            other => other,
        };
    }

    /// The client sends nothing more, or fails.
    pub(super) fn end(&mut self, end: Result<()>) {
        self.client_ended = true;
        match &self.inbox {
            Some(inbox) => inbox.end(end),
            // Who asked wants no more of the answer.
            None if !self.format.half_close => self.state = StreamState::Ended,
            None => {}
        }
    }

    /// Whether there is nothing more to say, nor to hear.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended() && self.client_ended
    }

    /// Whether there is nothing more to say.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, StreamState::Ended)
    }

    /// Whether nothing is at work for it.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, StreamState::Opened(_) | StreamState::Ended)
    }

    /// Whether another message may be read.
    pub(super) fn has_room(&self, cx: &Context<'_>) -> bool {
        self.inbox.as_ref().is_none_or(|inbox| inbox.has_room(cx))
    }

    /// Cuts it off at its deadline.
    pub(super) fn cut_off(&mut self) -> Option<Reply> {
        if self.is_ended() {
            return None;
        }
        self.deadline = crate::time::NEVER;
        let error = Error::deadline_exceeded("the stream was cut off at the deadline");
        self.finish(Err(error.with_outcome(Outcome::Unknown)))
    }

    /// The next message to send, if there is one; `None` once there will be no more.
    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        loop {
            match &mut self.state {
                StreamState::Opened(_) => return Poll::Pending,
                StreamState::Ended => return Poll::Ready(None),
                StreamState::Answering(answer) => match answer.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(mut response)) => {
                        self.state =
                            StreamState::Streaming(response.body_mut().take().into_stream());
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(self.finish(Err(error))),
                },
                StreamState::Streaming(messages) => match messages.as_mut().poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(message))) => {
                        return Poll::Ready(Some(self.format.message(message)));
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(self.finish(Err(error))),
                    Poll::Ready(None) => return Poll::Ready(self.finish(Ok(()))),
                },
            }
        }
    }

    /// Ends it; what is said of that to a client that has not ended it, or reads on though it has.
    fn finish(&mut self, end: Result<()>) -> Option<Reply> {
        self.state = StreamState::Ended;
        if self.client_ended && !self.format.half_close {
            return None;
        }
        Some(match end {
            Ok(()) => self.last.eos(),
            Err(error) => self.last.failure(&error),
        })
    }
}

fn request(target: Target, context: context::Context, format: &ReplyFormat, body: Body) -> Request {
    Request::build(target, context, format.content_type.clone(), body, false)
}
