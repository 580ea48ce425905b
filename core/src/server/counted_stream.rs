//! A stream that answers a request, counted when it ends.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{
    report,
    stats::{EndpointStats, Timing},
};
use crate::{
    context::Trace,
    error::{Code, Result},
    message::{Body, BodyStream, Response},
    time::{self, Nanos},
};

/// The stream of a response. It is in flight until it ends, and failed if it ends with an error or is dropped before.
pub(super) struct CountedStream {
    stream: BodyStream,
    endpoint: Arc<str>,
    stats: Arc<EndpointStats>,
    trace: Trace,
    began: Nanos,
    recorded: bool,
}

impl CountedStream {
    /// Counts the response's stream.
    pub(super) fn wrap(
        response: &mut Response,
        endpoint: Arc<str>,
        stats: Arc<EndpointStats>,
        trace: Trace,
        began: Nanos,
    ) {
        stats.begin();
        let stream = response.body_mut().take().into_stream();
        *response.body_mut() = Body::stream(CountedStream {
            stream,
            endpoint,
            stats,
            trace,
            began,
            recorded: false,
        });
    }

    fn record(&mut self, failure: Option<Code>) {
        if !std::mem::replace(&mut self.recorded, true) {
            let took = time::now().saturating_sub(self.began);
            self.stats.record(Timing::Exact(took), failure);
            self.stats.end();
        }
    }
}

impl Stream for CountedStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = catch_unwind(AssertUnwindSafe(|| this.stream.as_mut().poll_next(cx)));
        let next = match polled {
            Ok(next) => {
                if let Poll::Ready(Some(Err(error))) = &next {
                    report::failed(&this.endpoint, &this.trace, error);
                }
                next
            }
            Err(panic) => {
                // The rest may not be polled again.
                this.stream = Body::empty().into_stream();
                let error = report::panicked(&this.endpoint, &this.trace, &*panic);
                Poll::Ready(Some(Err(error)))
            }
        };
        match &next {
            Poll::Ready(None) => this.record(None),
            Poll::Ready(Some(Err(error))) => this.record(Some(error.code())),
            _ => {}
        }
        next
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        // Cancelled by the caller, or by the loss of its connection.
        self.record(Some(Code::Cancelled));
    }
}
