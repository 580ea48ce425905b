//! A call in progress: its first attempt in place, everything else in a box.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    Inner, Options, attempt_future::AttemptFuture, endpoint::Endpoint, selection::Failure,
};
use crate::{
    call::Answer,
    error::Result,
    message::{Request, Response},
    time::{self, NEVER, Nanos, nanos},
};

/// The future of a call.
///
/// Nearly every call has no special options and ends with its first attempt. That attempt is made here, in a
/// flat future of a third of the loop's size; the loop takes over if it fails.
pub(super) struct CallFuture {
    balance: Arc<Inner>,
    request: Request,
    stage: Stage,
}

enum Stage {
    New,
    First(AttemptFuture),
    /// The loop, which then owns the request.
    Loop(Answer),
}

impl CallFuture {
    #[inline]
    pub(super) fn new(balance: Arc<Inner>, request: Request) -> Self {
        CallFuture {
            balance,
            request,
            stage: Stage::New,
        }
    }

    fn begin(&mut self) -> Stage {
        let began = time::now();
        let request = &mut self.request;
        let plain = request.extensions().is_empty();
        let options = request.extensions().get::<Options>();
        let node = options.and_then(|options| options.direct(request.service()));
        let streams = request.body().is_stream() || options.is_some_and(|options| options.stream);
        let context = request.context_mut();
        let deadline = match context.deadline() {
            NEVER => began.saturating_add(nanos(self.balance.settings.timeout)),
            said => said,
        };
        if !streams {
            context.limit(deadline);
        }
        if let Some(node) = node {
            return match self.balance.at(&node, request.service(), began) {
                Ok(endpoint) => self.go_on(endpoint, began, deadline, None),
                Err(error) => Stage::Loop(Box::pin(async { Err(error) })),
            };
        }
        let endpoint = self.balance.endpoint(request.target(), began);
        endpoint.service_state.budget.deposit();
        if !plain {
            return self.go_on(endpoint, began, deadline, None);
        }
        match self.balance.first(endpoint, request, began, deadline) {
            Ok(attempt_future) => Stage::First(attempt_future),
            Err(endpoint) => self.go_on(endpoint, began, deadline, None),
        }
    }

    fn go_on(
        &mut self,
        endpoint: Arc<Endpoint>,
        began: Nanos,
        deadline: Nanos,
        first: Option<Failure>,
    ) -> Stage {
        let (balance, request) = (self.balance.clone(), self.request.take());
        Stage::Loop(Box::pin(
            balance.to_the_end(endpoint, request, began, deadline, first),
        ))
    }
}

impl Future for CallFuture {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.stage = match &mut this.stage {
                Stage::New => this.begin(),
                Stage::First(attempt_future) => {
                    match ready!(attempt_future.poll(&mut this.request, cx)) {
                        Ok(response) => return Poll::Ready(Ok(response)),
                        Err(error) => {
                            let (endpoint, attempt) =
                                (attempt_future.endpoint().clone(), *attempt_future.attempt());
                            let first = attempt_future.failed(error);
                            this.go_on(endpoint, attempt.now, attempt.deadline, Some(first))
                        }
                    }
                }
                Stage::Loop(answer) => return answer.as_mut().poll(cx),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_takes_a_quarter_of_a_kilobyte() {
        assert!(
            size_of::<CallFuture>() <= 256,
            "{}",
            size_of::<CallFuture>()
        );
    }
}
