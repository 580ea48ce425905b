//! A stream of a connection: messages both ways, and the end of each direction.

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

/// A stream, from its opening message until the client ends it or the connection closes.
pub(super) struct Stream {
    /// From the opening message, with the number of the last message received.
    pub(super) format: ReplyFormat,
    pub(super) endpoint: Box<str>,
    /// The format of the final message, with the number of the opening message.
    last: ReplyFormat,
    state: StreamState,
    /// The client's messages, if the request is a stream.
    inbox: Option<Arc<Inbox>>,
    /// The deadline of the call.
    pub(super) deadline: Nanos,
    /// Whether the client has ended its direction.
    client_ended: bool,
}

enum StreamState {
    /// Waiting for the single message of the request.
    Opened(Box<(Target, context::Context)>),
    Answering(Answer),
    Streaming(BodyStream),
    /// The reply is complete. Later messages are dropped.
    Ended,
}

impl Stream {
    /// Opens a stream. The opening message has no body. With `inbox` the request is a stream.
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

    /// A stream that has failed. Its later messages are dropped.
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

    /// Adds a message from the client.
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

    /// Ends the client's direction, with its error if it failed.
    pub(super) fn end(&mut self, end: Result<()>) {
        self.client_ended = true;
        match &self.inbox {
            Some(inbox) => inbox.end(end),
            // The client does not want the rest of the reply.
            None if !self.format.half_close => self.state = StreamState::Ended,
            None => {}
        }
    }

    /// Whether both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended() && self.client_ended
    }

    /// Whether the reply has ended.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, StreamState::Ended)
    }

    /// Whether no call is running.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, StreamState::Opened(_) | StreamState::Ended)
    }

    /// Whether the inbox has room for another message.
    pub(super) fn has_room(&self, cx: &Context<'_>) -> bool {
        self.inbox.as_ref().is_none_or(|inbox| inbox.has_room(cx))
    }

    /// Ends the stream at its deadline.
    pub(super) fn cut_off(&mut self) -> Option<Reply> {
        if self.is_ended() {
            return None;
        }
        self.deadline = crate::time::NEVER;
        let error = Error::deadline_exceeded("the stream was cut off at the deadline");
        self.finish(Err(error.with_outcome(Outcome::Unknown)))
    }

    /// The next message to send; `None` at the end.
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

    /// Ends the reply. Returns the final message, unless the client no longer reads.
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
