//! A connection as its callers use it: calls are started, answered or cancelled.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Calls, PendingCall, Phase, Slot, Stage,
    state::no_answer,
    streams::{Streams, send_stream},
    unsent, wake_driver,
};
use crate::{
    error::{Code, Error, Outcome, Result},
    message::{Request, Response},
    time,
    transport::{
        Attempt, Connection,
        mux::{
            frame::{self, Name, RequestHead, kind, write_bare, write_request},
            stream::{Credit, too_large},
        },
    },
};

/// A connection as its callers use it.
pub(crate) struct Handle(pub(crate) Arc<Calls>);

impl Connection for Handle {
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>> {
        let calls = &self.0;
        let mut guard = calls.lock();
        let state = &mut *guard;
        match &state.stage {
            Stage::Open => {}
            Stage::Draining => return Poll::Ready(Err(going_away())),
            Stage::Gone(error) => {
                return Poll::Ready(Err(error.clone().with_outcome(unsent(error))));
            }
        }
        let start = state.queue.end();
        let stream_deadline = request.context().deadline();
        let deadline = attempt.deadline.min(stream_deadline);
        let timeout_at = attempt.timeout_at.min(deadline);
        // A stream can be sent only once: not before the server has reported its identity.
        if !calls.has_room(state) || (!state.introduced && request.body().is_stream()) {
            let now = time::now();
            if now >= timeout_at {
                let error = no_answer(now >= deadline);
                return Poll::Ready(Err(error.with_outcome(Outcome::NotSent)));
            }
            state.waiting.push(cx.waker().clone());
            state.waited = state.waited.min(timeout_at);
            state.nearest = state.nearest.min(timeout_at);
            wake_driver(guard);
            return Poll::Pending;
        }
        let index = match state.free.last() {
            Some(index) => *index,
            None if state.slots.len() < calls.limits.max_concurrent_calls => {
                state.slots.push(Slot {
                    generation: 0,
                    phase: Phase::Free,
                });
                let index = (state.slots.len() - 1) as u32;
                state.free.push(index);
                index
            }
            None => {
                return Poll::Ready(Err(Error::resource_exhausted(format!(
                    "{0} calls are under way on one connection, over the limit `max_concurrent_calls` of {0}",
                    calls.limits.max_concurrent_calls
                ))
                .with_outcome(Outcome::NotSent)));
            }
        };
        let id = u64::from(state.slots[index as usize].generation) << 32 | u64::from(index);
        let whole = request.body().as_bytes();
        let length = whole.map_or(0, |body| body.len());
        if length > state.message_limit {
            let error = too_large(length, state.message_limit);
            return Poll::Ready(Err(error.with_outcome(Outcome::NotSent)));
        }
        let context = request.context();
        let name = state.names.name(request.target());
        let head = RequestHead {
            name,
            left: frame::left(stream_deadline, attempt.now),
            attempts: attempt.attempts,
            content_type: request.content_type(),
            context,
        };
        let flags = if whole.is_some() { 0 } else { frame::STREAM };
        let written = write_request(
            state.queue.tail(),
            id,
            flags,
            &head,
            length,
            state.head_limit,
        );
        if let Err(error) = written {
            if matches!(name, Name::New { .. }) {
                state.names.forget(request.target());
            }
            return Poll::Ready(Err(error.with_outcome(Outcome::NotSent)));
        }
        match whole {
            Some(body) => state.queue.push_body(body),
            None => {
                let credit = Credit::new(state.window);
                let pump = send_stream(calls, request.spend(), &credit, id, state.message_limit);
                let mut streams = Streams::new(stream_deadline);
                streams.credit = Some(credit);
                streams.pump = Some(pump);
                state.streams.insert(id, streams);
            }
        }
        state.free.pop();
        state.begun += 1;
        state.last = attempt.now;
        state.slots[index as usize].phase = Phase::Waiting(PendingCall {
            waker: cx.waker().clone(),
            start,
            end: state.queue.end(),
            timeout_at,
            deadline,
            stream_deadline,
            repeatable: attempt.repeatable,
        });
        state.nearest = state.nearest.min(timeout_at);
        wake_driver(guard);
        Poll::Ready(Ok(id))
    }

    fn answer(&self, id: u64, cx: &mut Context<'_>) -> Poll<Result<Response>> {
        let mut state = self.0.lock();
        let Some(slot) = state.slot(id) else {
            let error = Error::internal("an answer was asked for twice");
            return Poll::Ready(Err(error.with_outcome(Outcome::Unknown)));
        };
        match &mut slot.phase {
            Phase::Waiting(waiting) => {
                if !waiting.waker.will_wake(cx.waker()) {
                    waiting.waker = cx.waker().clone();
                }
                Poll::Pending
            }
            phase => {
                let phase = std::mem::replace(phase, Phase::Free);
                state.free(id as u32);
                if state.is_done() {
                    // A connection that accepts no more calls ends when its last answer is taken.
                    wake_driver(state);
                }
                match phase {
                    Phase::Ready(answer) => Poll::Ready(answer),
                    _ => Poll::Ready(Err(Error::internal("a call was lost"))),
                }
            }
        }
    }

    fn cancel(&self, id: u64) {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        let Some(slot) = state.slot(id) else { return };
        let phase = std::mem::replace(&mut slot.phase, Phase::Free);
        state.free(id as u32);
        let streams = state.streams.remove(&id);
        if let Phase::Waiting(waiting) = &phase
            && !state.queue.erase(waiting.start)
        {
            write_bare(state.queue.tail(), kind::CANCEL, id, &[]);
        }
        wake_driver(guard);
        // These may hold streams of this connection, whose drop takes the lock again.
        drop((phase, streams));
    }
}

fn going_away() -> Error {
    Error::new(Code::Unavailable, "the node is going away").with_outcome(Outcome::NotSent)
}
