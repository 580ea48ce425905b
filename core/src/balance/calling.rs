//! A call under way: its first attempt in place, all else in a box of its own.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use super::{Inner, Options, lane::Lane, picked::Failure, trying::Trying};
use crate::{
    call::Answer,
    error::Result,
    message::{Request, Response},
    node::Node,
    time::{self, NEVER, Nanos, nanos},
};

/// The future of a call.
///
/// Nearly every call asks for nothing special and ends with its first attempt. That is made here, in a
/// flat future of a third of the loop's size; the loop takes over when it fails.
pub(super) struct Calling {
    balance: Arc<Inner>,
    request: Request,
    stage: Stage,
}

enum Stage {
    New,
    First(Trying),
    /// The loop, to which the request went.
    Loop(Answer),
}

impl Calling {
    #[inline]
    pub(super) fn new(balance: Arc<Inner>, request: Request) -> Self {
        Calling {
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
            return self.directly(node, began, deadline);
        }
        let lane = self.balance.lane(request.target(), began);
        lane.budget.deposit();
        if !plain {
            return self.go_on(lane, began, deadline, None);
        }
        match self.balance.first(lane, request, began, deadline) {
            Ok(trying) => Stage::First(trying),
            Err(lane) => self.go_on(lane, began, deadline, None),
        }
    }

    fn directly(&mut self, node: Arc<Node>, began: Nanos, deadline: Nanos) -> Stage {
        let (balance, mut request) = (self.balance.clone(), self.request.take());
        balance.keep_swept();
        Stage::Loop(Box::pin(async move {
            let (direct, rng) = (&balance.direct, &balance.rng);
            let call = direct.call(&node, &mut request, began, deadline, rng);
            call.await
        }))
    }

    fn go_on(
        &mut self,
        lane: Arc<Lane>,
        began: Nanos,
        deadline: Nanos,
        first: Option<Failure>,
    ) -> Stage {
        let (balance, mut request) = (self.balance.clone(), self.request.take());
        Stage::Loop(Box::pin(async move {
            let attempts = balance.attempts(&lane, &mut request, began, deadline, first);
            let answer = attempts.await;
            if let Err(error) = &answer {
                lane.failed.fetch_add(1, Relaxed);
                if error.has_no_nodes() {
                    balance.forget(&lane);
                }
            }
            answer
        }))
    }
}

impl Future for Calling {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.stage = match &mut this.stage {
                Stage::New => this.begin(),
                Stage::First(trying) => match ready!(trying.poll(&mut this.request, cx)) {
                    Ok(response) => return Poll::Ready(Ok(response)),
                    Err(error) => {
                        let (lane, attempt) = (trying.lane().clone(), *trying.attempt());
                        let first = trying.failed(error);
                        this.go_on(lane, attempt.now, attempt.deadline, Some(first))
                    }
                },
                Stage::Loop(answer) => return answer.as_mut().poll(cx),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_a_quarter_of_a_kilobyte() {
        assert!(size_of::<Calling>() <= 256, "{}", size_of::<Calling>());
    }
}
