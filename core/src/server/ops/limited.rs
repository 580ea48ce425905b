//! The limit of concurrent requests of an operational endpoint.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Sleep;

use super::{
    OpsState,
    slots::{Slot, Slots},
};
use crate::{
    call::{Answer, Begun, Call, Listing, Operation, Refusal, Shape},
    context::Trace,
    error::{Error, Outcome, Result},
    message::{Body, BodyStream, Request, Response},
    server::report::panicked,
    time::{self, NEVER, Nanos},
};

/// Calls an endpoint while a slot is free; a stream keeps its slot until it ends.
pub(super) struct LimitedCall {
    /// The endpoint without layers.
    pub(super) plain: Arc<dyn Call>,
    /// The endpoint under the layers that cover it.
    pub(super) covered: Arc<dyn Call>,
    pub(super) operation: Operation,
    pub(super) shared: Arc<OpsState>,
}

impl Call for LimitedCall {
    fn call(&self, request: Request) -> Answer {
        match self.begin(request, time::now()) {
            Begun::Done(answer) => Box::pin(async { answer }),
            Begun::Running(answer) => answer,
        }
    }

    fn begin(&self, request: Request, now: Nanos) -> Begun {
        let (deadline, trace) = (request.context().deadline(), *request.context().trace());
        if deadline <= now {
            let error = Error::deadline_exceeded("the request arrived after its deadline");
            return Begun::Done(Err(error.with_outcome(Outcome::Rejected)));
        }
        let slots = &self.shared.slots[self.operation as usize];
        let Some(slot) = slots.take() else {
            return Begun::Done(Err(too_many(&self.shared, self.operation, slots)));
        };
        let permit = Permit {
            slot,
            operation: self.operation,
            shared: self.shared.clone(),
        };
        let answer = catch_unwind(AssertUnwindSafe(|| Begun::poll(self.covered.call(request))));
        let name = self.operation.as_str();
        let answer =
            answer.unwrap_or_else(|panic| Begun::Done(Err(panicked(name, &trace, &*panic))));
        match answer {
            Begun::Done(answer) => Begun::Done(permit.keep(answer)),
            Begun::Running(answer) => Begun::Running(Box::pin(LimitedFuture {
                answer,
                permit: Some(permit),
                trace,
                deadline: (deadline != NEVER)
                    .then(|| Box::pin(tokio::time::sleep_until(time::instant(deadline)))),
            })),
        }
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        self.plain.shape(endpoint)
    }

    fn listing(&self) -> Option<Listing> {
        self.plain.listing()
    }
}

fn too_many(shared: &OpsState, operation: Operation, slots: &Slots) -> Error {
    shared.refusals.count(Refusal::Operations);
    Error::resource_exhausted(format!(
        "{} requests of the operational endpoint `{}` are in progress, which is its limit",
        slots.limit(),
        operation.as_str()
    ))
    .with_outcome(Outcome::Rejected)
}

/// The slot of a request in progress.
struct Permit {
    slot: Slot,
    operation: Operation,
    shared: Arc<OpsState>,
}

impl Permit {
    /// Releases the slot, or moves one into the stream of the response, until the stream ends.
    fn keep(self, answer: Result<Response>) -> Result<Response> {
        let mut response = answer?;
        if !response.body().is_stream() {
            return Ok(response);
        }
        let slot = match self.operation {
            // Watchers stay as long as their connections, and would leave no slot for probes.
            Operation::Health => {
                let watches = &self.shared.watches;
                let watch = watches.take();
                watch.ok_or_else(|| too_many(&self.shared, self.operation, watches))?
            }
            _ => self.slot,
        };
        let messages = response.body_mut().take().into_stream();
        *response.body_mut() = Body::stream(LimitedStream {
            messages,
            _slot: slot,
        });
        Ok(response)
    }
}

/// A stream with its slot.
struct LimitedStream {
    messages: BodyStream,
    _slot: Slot,
}

impl Stream for LimitedStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.as_mut().poll_next(cx)
    }
}

/// A request that did not end at its first poll, for example in a layer.
struct LimitedFuture {
    answer: Answer,
    permit: Option<Permit>,
    trace: Trace,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Future for LimitedFuture {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = catch_unwind(AssertUnwindSafe(|| this.answer.as_mut().poll(cx)));
        let polled = polled.unwrap_or_else(|panic| {
            let name = this
                .permit
                .as_ref()
                .map_or("", |permit| permit.operation.as_str());
            Poll::Ready(Err(panicked(name, &this.trace, &*panic)))
        });
        let answer = match polled {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let deadline = this.deadline.as_mut();
                if deadline.is_none_or(|deadline| deadline.as_mut().poll(cx).is_pending()) {
                    return Poll::Pending;
                }
                Err(Error::deadline_exceeded(
                    "the request was stopped at the deadline",
                ))
            }
        };
        Poll::Ready(match this.permit.take() {
            Some(permit) => permit.keep(answer),
            None => answer,
        })
    }
}
