//! A call in `tracing`: a span while it runs, and an event with its result when it ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tracing::Span;

use crate::{
    call::Answer,
    error::{Error, Result},
    message::{Body, BodyStream, Response},
    time::{self, Nanos},
};

/// The span of a call, and the fields of its closing event. Created only if the level `debug` is enabled.
pub(crate) struct Watch {
    span: Span,
    began: Nanos,
    ended: bool,
}

impl Watch {
    /// Begins the span, with the empty fields `code` and `outcome`.
    pub(crate) fn new(span: Span) -> Self {
        Watch {
            span,
            began: time::now(),
            ended: false,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Logs how the call ended. If the response is a stream, this is logged when the stream ends.
    pub(crate) fn end(mut self, answer: Result<Response>) -> Result<Response> {
        match answer {
            Ok(mut response) if response.body().is_stream() => {
                let stream = response.body_mut().take().into_stream();
                let watched = TracedStream {
                    stream,
                    watch: self,
                };
                *response.body_mut() = Body::stream(watched);
                Ok(response)
            }
            answer => {
                self.tell(answer.as_ref().err());
                answer
            }
        }
    }

    fn tell(&mut self, error: Option<&Error>) {
        let code = error.map_or("ok", |error| error.code().as_str());
        let outcome = error.map_or("answered", |error| error.outcome().as_str());
        self.write(code, outcome);
    }

    fn write(&mut self, code: &str, outcome: &str) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = Duration::from_nanos(time::now().saturating_sub(self.began));
        self.span.record("code", code);
        self.span.record("outcome", outcome);
        tracing::debug!(parent: &self.span, code, outcome, ?took, "ended");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.write("cancelled", "dropped");
    }
}

/// A running call in its span.
pub(crate) struct Traced {
    answer: Answer,
    watch: Option<Watch>,
}

impl Traced {
    pub(crate) fn new(answer: Answer, watch: Watch) -> Self {
        Traced {
            answer,
            watch: Some(watch),
        }
    }
}

impl Future for Traced {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(watch) = &this.watch else {
            return this.answer.as_mut().poll(cx);
        };
        let polled = watch.span.in_scope(|| this.answer.as_mut().poll(cx));
        polled.map(|answer| match this.watch.take() {
            Some(watch) => watch.end(answer),
            None => answer,
        })
    }
}

/// The stream of a response, in the call's span.
struct TracedStream {
    stream: BodyStream,
    watch: Watch,
}

impl Stream for TracedStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = this
            .watch
            .span
            .in_scope(|| this.stream.as_mut().poll_next(cx));
        match &next {
            Poll::Ready(None) => this.watch.tell(None),
            Poll::Ready(Some(Err(error))) => this.watch.tell(Some(error)),
            _ => {}
        }
        next
    }
}
