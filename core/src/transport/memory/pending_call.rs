//! A call that waits for its answer, with its time limits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{sync::oneshot, task::AbortHandle, time::Sleep};

use crate::{
    error::{Error, Outcome, Result},
    message::Response,
    time::{self, NEVER, Nanos},
    transport::{Attempt, flow::broken_off, tracker::AbortOnDrop},
};

/// A call whose answer has not been taken; dropping it cancels the work.
pub(super) struct PendingCall {
    answer: Option<Result<Response>>,
    coming: Option<oneshot::Receiver<Result<Response>>>,
    task: AbortOnDrop,
    timer: Option<Pin<Box<Sleep>>>,
    /// When to check whether the attempt is given up.
    look: Nanos,
    deadline: Nanos,
    repeatable: bool,
}

impl PendingCall {
    pub(super) fn new(attempt: &Attempt, deadline: Nanos) -> Self {
        PendingCall {
            answer: None,
            coming: None,
            task: AbortOnDrop::default(),
            timer: None,
            // Work that must not be repeated is waited for.
            look: if attempt.repeatable {
                attempt.timeout_at.min(deadline)
            } else {
                deadline
            },
            deadline,
            repeatable: attempt.repeatable,
        }
    }

    pub(super) fn answered(&mut self, answer: Result<Response>) {
        self.answer = Some(answer);
    }

    pub(super) fn worked_by(
        &mut self,
        task: AbortHandle,
        coming: oneshot::Receiver<Result<Response>>,
    ) {
        self.task.0 = Some(task);
        self.coming = Some(coming);
    }

    /// Returns the answer if there is one; otherwise `cx` is woken when there is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.answer.is_some() {
            return true;
        }
        if let Some(coming) = &mut self.coming
            && let Poll::Ready(answer) = Pin::new(coming).poll(cx)
        {
            self.answer = Some(answer.unwrap_or_else(|_| Err(broken_off())));
            // The call may continue as a stream, which ends it when dropped.
            self.task.0 = None;
            return true;
        }
        if self.look == NEVER {
            return false;
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(time::instant(self.look))));
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        let error = if self.repeatable && time::now() < self.deadline {
            Error::unavailable("no answer in the time other calls take")
        } else {
            Error::deadline_exceeded("no answer before the deadline")
        };
        self.answer = Some(Err(error.with_outcome(Outcome::Unknown)));
        true
    }

    pub(super) fn take(mut self) -> Option<Result<Response>> {
        self.answer.take()
    }
}
