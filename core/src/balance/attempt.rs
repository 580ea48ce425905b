//! The attempts of one call: the node of each, its time, and whether another may follow.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use arc_swap::Guard;

use super::{
    Inner, Nodes, Options, Recorder,
    attempt_future::AttemptFuture,
    endpoint::{Candidates, Endpoint},
    hedge,
    outcome::{is_harmless, is_local},
    progress::{NONE, Progress},
    selection::{Failure, Selection},
};
use crate::{
    error::{Error, Outcome, Recovery, Result},
    message::{Request, Response},
    random::Rng,
    selector::{Strategy, TriedNodes},
    time::{self, NEVER, Nanos, nanos},
    transport::Attempt,
};

impl Inner {
    /// Begins the first attempt of a call without special options. Returns the endpoint if that has to wait,
    /// or if there is no node.
    pub(super) fn first(
        &self,
        endpoint: Arc<Endpoint>,
        request: &Request,
        began: Nanos,
        deadline: Nanos,
    ) -> Result<AttemptFuture, Arc<Endpoint>> {
        let Candidates::Discovered(entry) = &endpoint.candidates else {
            return Err(endpoint);
        };
        let set = entry.load();
        if began >= deadline || set.snapshot().is_empty() {
            drop(set);
            return Err(endpoint);
        }
        set.snapshot().touch(began);
        let Some(index) = self.strategy.pick(set.snapshot(), &NONE) else {
            drop(set);
            return Err(endpoint);
        };
        let set = Guard::into_inner(set);
        let selection = Selection { set, index };
        let retries = self.attempts_of(request) - 1;
        let attempt_timeout = endpoint.latency.attempt_timeout(0);
        let terms = terms(
            request,
            (&selection, &NONE),
            retries,
            attempt_timeout,
            began,
            deadline,
        );
        Ok(AttemptFuture::begin(endpoint, selection, terms))
    }

    /// Attempts left in the call tree; at least 1.
    fn attempts_of(&self, request: &Request) -> u8 {
        let said = request.context().attempts_left();
        said.unwrap_or(self.settings.attempts).max(1)
    }

    /// Makes attempts until the call has ended, and counts the result.
    pub(super) async fn to_the_end(
        self: Arc<Self>,
        endpoint: Arc<Endpoint>,
        mut request: Request,
        began: Nanos,
        deadline: Nanos,
        first: Option<Failure>,
    ) -> Result<Response> {
        let attempts = self.attempts(&endpoint, &mut request, began, deadline, first);
        let answer = attempts.await;
        if let Err(error) = &answer {
            endpoint.service_state.failed.fetch_add(1, Relaxed);
            match &endpoint.candidates {
                Candidates::Given(nodes) if error.outcome() == Outcome::NotSent => {
                    self.direct.forget(nodes);
                }
                Candidates::Discovered(_) if error.has_no_nodes() => {
                    let service_state = endpoint.service_state.clone();
                    // `direct` holds the entry that is removed.
                    drop(endpoint);
                    self.forget(&service_state);
                }
                _ => {}
            }
        }
        answer
    }

    /// Makes attempts until one is final, or until `deadline`. `first` is the failed first attempt, if there was
    /// one.
    async fn attempts(
        &self,
        endpoint: &Arc<Endpoint>,
        request: &mut Request,
        began: Nanos,
        deadline: Nanos,
        first: Option<Failure>,
    ) -> Result<Response> {
        let options = request.extensions().get::<Options>();
        let mut progress = Progress {
            endpoint,
            began,
            deadline,
            retries: self.attempts_of(request) - 1,
            made: 0,
            failed: None,
            recorder: request.extensions().get::<Recorder>().cloned(),
            patient: options.is_some_and(|options| options.patient),
        };
        let mut now = began;
        let mut ended = first.map(|first| {
            progress.spend(&first.attempt, &first.error);
            (first.selection, Err(first.error))
        });
        loop {
            let (selection, answer) = match ended.take() {
                Some(ended) => ended,
                None => self.next(&mut progress, request, now).await?,
            };
            let error = match answer {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            now = time::now();
            if let Some(error) = self.is_final(&mut progress, &selection, request, error, now) {
                return Err(error);
            }
            drop(selection);
            if !self.is_one_left(&progress, request) {
                Box::pin(self.wait(&mut progress)).await;
                now = time::now();
            }
            endpoint.service_state.retries.fetch_add(1, Relaxed);
        }
    }

    /// Makes an attempt at a node not yet tried; fails if there is none, or no time.
    async fn next(
        &self,
        progress: &mut Progress<'_>,
        request: &mut Request,
        mut now: Nanos,
    ) -> Result<(Selection, Result<Response>)> {
        let endpoint = progress.endpoint;
        loop {
            if now >= progress.deadline {
                let last = progress
                    .failed
                    .as_mut()
                    .and_then(|failed| failed.last.take());
                return Err(progress.out_of_time(request, last));
            }
            if let Candidates::Discovered(entry) = &endpoint.candidates
                && entry.load().snapshot().is_empty()
            {
                let ready = Box::pin(entry.ready(progress.deadline)).await;
                ready.map_err(|error| progress.end(request, error))?;
            }
            let options = request.extensions().get::<Options>();
            let hedge = options.and_then(|options| options.hedge);
            let set = nodes_for(endpoint, request);
            set.snapshot().touch(now);
            progress.describe(request, &set);
            let Some(index) = endpoint.pick(&set, progress.tried(), self.choice()) else {
                if progress.tried().is_empty() {
                    return Err(progress.end(request, none_available(request)));
                }
                // The set has changed a moment ago, and the rest of it has been tried.
                Box::pin(self.wait(progress)).await;
                now = time::now();
                continue;
            };
            let selection = Selection { set, index };
            let answer = match hedge {
                Some(delay) if progress.made == 0 && is_idempotent(request, &selection) => {
                    Box::pin(self.hedged(progress, &selection, request, now, delay)).await
                }
                _ => self.attempt(progress, &selection, request, now).await,
            };
            return Ok((selection, answer));
        }
    }

    async fn attempt(
        &self,
        progress: &mut Progress<'_>,
        selection: &Selection,
        request: &mut Request,
        now: Nanos,
    ) -> Result<Response> {
        let endpoint = progress.endpoint;
        let attempt_timeout = match progress.patient {
            // There is no other node.
            _ if endpoint.is_given() => NEVER,
            true => progress.deadline.saturating_sub(now) / 2,
            false => endpoint.latency.attempt_timeout(progress.made),
        };
        let (retries, deadline) = (progress.retries, progress.deadline);
        let to = (selection, progress.tried());
        let terms = terms(request, to, retries, attempt_timeout, now, deadline);
        if let Some(recorder) = &progress.recorder {
            let why = match endpoint.is_given() {
                true => "address given",
                false => self.strategy.name(),
            };
            let node = &selection.member().node;
            recorder.write(|record| record.begin(node, why, progress.began, &terms));
        }
        let mut attempt_future = AttemptFuture::begin(endpoint.clone(), selection.clone(), terms);
        let answer = poll_fn(|cx| attempt_future.poll(request, cx)).await;
        if let Some(recorder) = &progress.recorder {
            recorder
                .write(|record| record.end(&answer, progress.began, now, attempt_future.ended()));
        }
        if let Err(error) = &answer {
            progress.spend(&terms, error);
        }
        answer
    }

    /// Makes the first attempt, and a second beside it if the first takes longer than `delay`.
    async fn hedged(
        &self,
        progress: &mut Progress<'_>,
        selection: &Selection,
        request: &mut Request,
        now: Nanos,
        delay: Duration,
    ) -> Result<Response> {
        let endpoint = progress.endpoint;
        if progress.retries == 0 {
            // It is the only attempt left in this call tree.
            return self.attempt(progress, selection, request, now).await;
        }
        let Some(mut copy) = request.duplicate() else {
            return self.attempt(progress, selection, request, now).await;
        };
        let mut beside = Progress {
            // It is the last attempt: nothing follows it.
            retries: 0,
            failed: progress.failed.clone(),
            recorder: progress.recorder.clone(),
            ..*progress
        };
        beside.failed().tried.add(selection.member());
        let (beside, copy) = (&mut beside, &mut copy);
        let mut hedged = false;
        let second = || {
            let now = time::now();
            selection.set.snapshot().touch(now);
            let index = endpoint.pick(&selection.set, beside.tried(), self.choice())?;
            endpoint.service_state.budget.withdraw(now).then_some(())?;
            endpoint.service_state.hedges.fetch_add(1, Relaxed);
            hedged = true;
            beside.note(format_args!("hedged after {delay:?}"));
            let set = selection.set.clone();
            Some(async move {
                let other = Selection { set, index };
                self.attempt(beside, &other, copy, now).await
            })
        };
        let first = self.attempt(progress, selection, request, now);
        let answer = hedge::race(first, delay, second).await;
        if hedged {
            // It was one of the attempts that the call tree may make.
            progress.retries = progress.retries.saturating_sub(1);
        }
        answer
    }

    /// Returns the error that ends the call, unless another attempt may be made.
    fn is_final(
        &self,
        progress: &mut Progress<'_>,
        selection: &Selection,
        request: &Request,
        error: Error,
        now: Nanos,
    ) -> Option<Error> {
        let harmless = is_harmless(&error);
        let idempotent = is_idempotent(request, selection);
        let failed = progress.failed();
        // The node closed a kept connection: it takes the next call over a new one.
        if error.recovery() != Recovery::Reconnect {
            failed.tried.add(selection.member());
        }
        failed.maybe_done |= !harmless;
        let is_nobody_else = error.is_wrong_server() && progress.endpoint.is_given();
        if !error.is_retryable(idempotent) || is_local(&error) || is_nobody_else {
            return Some(progress.end(request, error));
        }
        if now >= progress.deadline {
            return Some(progress.out_of_time(request, Some(error)));
        }
        if request.is_spent() {
            progress.note("no further attempt: the request's stream has been used");
            return Some(progress.end(request, error));
        }
        if !harmless {
            if progress.retries == 0 {
                progress.note("no further attempt: none is left in this tree of calls");
                return Some(progress.end(request, error));
            }
            progress.retries -= 1;
        }
        if !harmless && !self.is_one_left(progress, request) {
            progress.note("no further attempt: every node has been tried");
            return Some(progress.end(request, error));
        }
        progress.note_recovery(&error);
        let is_one_left = self.is_one_left(progress, request);
        if !is_one_left {
            let wait = progress.failed().backoff.next_wait_by(self.rng.number());
            progress.failed().wait = Some(wait);
            let next = now.saturating_add(nanos(wait));
            let passes = error.recovery() >= Recovery::Unreachable && !progress.endpoint.is_given();
            if !passes && progress.is_hopeless(&nodes_for(progress.endpoint, request), next) {
                progress.note("no further attempt: what every node failed with does not pass");
                return Some(progress.end(request, error));
            }
        }
        // A call that reached the wrong server cost no server any work, so the retry is free while other nodes are left.
        let is_free = error.is_wrong_server() && is_one_left;
        if !is_free && !progress.endpoint.service_state.budget.withdraw(now) {
            progress.note("no further attempt: the retry budget is spent");
            return Some(progress.end(request, error));
        }
        progress.failed().last = Some(error);
        progress.made += 1;
        None
    }

    /// Whether a node of the present set has not been tried; some may have joined since the last pick.
    fn is_one_left(&self, progress: &Progress<'_>, request: &Request) -> bool {
        let set = nodes_for(progress.endpoint, request);
        let strategy = &*self.strategy;
        progress
            .endpoint
            .is_one_left(&set, progress.tried(), strategy)
    }

    /// The criteria for choosing a node.
    fn choice(&self) -> (&dyn Strategy, &Rng) {
        (&*self.strategy, &self.rng)
    }

    /// Every node has been tried: waits, after which all may be tried again.
    async fn wait(&self, progress: &mut Progress<'_>) {
        let failed = progress.failed();
        let wait = match failed.wait.take() {
            Some(wait) => wait,
            None => failed.backoff.next_wait_by(self.rng.number()),
        };
        progress.note(format_args!("waited {wait:?}: every node had been tried"));
        let until = time::now().saturating_add(nanos(wait));
        tokio::time::sleep_until(time::instant(until.min(progress.deadline))).await;
        progress.failed().tried.clear();
        progress.failed().recovery = None;
    }
}

/// The nodes that the request may go to.
fn nodes_for(endpoint: &Endpoint, request: &Request) -> Arc<Nodes> {
    let nodes = endpoint.nodes();
    let options = request.extensions().get::<Options>();
    match options.and_then(|options| options.filter.as_ref()) {
        Some(filter) if !endpoint.is_given() => nodes.filtered(&**filter),
        _ => nodes,
    }
}

/// The terms of an attempt at a node, after those tried so far, if `retries` may follow it or be made below it.
fn terms(
    request: &Request,
    (selection, tried): (&Selection, &TriedNodes),
    retries: u8,
    attempt_timeout: Nanos,
    now: Nanos,
    deadline: Nanos,
) -> Attempt {
    let repeatable = retries > 0 && is_idempotent(request, selection) && selection.has_other(tried);
    let lent = if repeatable { retries / 2 } else { retries };
    Attempt {
        now,
        deadline,
        timeout_at: now.saturating_add(attempt_timeout).min(deadline),
        repeatable,
        attempts: lent.saturating_add(1),
    }
}

/// Whether the work may be repeated, by the call's options or the endpoint's record.
fn is_idempotent(request: &Request, selection: &Selection) -> bool {
    request.is_idempotent()
        || selection
            .member()
            .node
            .endpoint(request.endpoint())
            .is_some_and(|endpoint| endpoint.is_idempotent())
}

fn none_available(request: &Request) -> Error {
    Error::unavailable(format!(
        "no node of service `{}` may take this call",
        request.service()
    ))
    .with_outcome(Outcome::NotSent)
    .with_origin(request.target().to_string())
}
