//! The attempts of one call: which node, for how long, and whether there is another after it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use arc_swap::Guard;

use super::{Backoff, Inner, Options, Recorder, hedge, lane::Lane};
use crate::{
    error::{Code, Error, Outcome, Result},
    message::{Request, Response},
    selector::{Set, Tried, Verdict},
    time::{self, Nanos},
    transport::{Attempt, Peer, send},
};

/// A call on its way through its attempts.
struct Progress<'a> {
    lane: &'a Lane,
    began: Nanos,
    deadline: Nanos,
    /// Attempts that may still be made, here or below, although one before may have been done.
    retries: u8,
    /// How many were made here after the first.
    made: u32,
    /// What only a call that failed once needs; most do not.
    failed: Option<Box<Failed>>,
    recorder: Option<Recorder>,
    /// Whether each attempt is given half the time that is left.
    patient: bool,
}

/// What is known of the attempts that failed.
#[derive(Clone, Default)]
struct Failed {
    tried: Tried,
    /// Whether one of them may have been done.
    maybe_done: bool,
    /// How the last one ended.
    last: Option<Error>,
    backoff: Backoff,
}

static NONE: Tried = Tried::new();

/// A picked node.
struct Picked {
    set: Arc<Set<Arc<dyn Peer>>>,
    index: usize,
}

impl Picked {
    fn peer(&self) -> &Arc<dyn Peer> {
        &self.set.slots()[self.index]
    }

    fn member(&self) -> &crate::selector::Member {
        self.set.snapshot().get(self.index)
    }
}

impl Inner {
    /// Makes attempts until one is final, or there is no answer at `deadline`.
    pub(super) async fn attempts(
        &self,
        lane: &Lane,
        request: &mut Request,
        began: Nanos,
        deadline: Nanos,
    ) -> Result<Response> {
        let context = request.context();
        let attempts = context.attempts_left().unwrap_or(self.settings.attempts);
        let options = request.extensions().get::<Options>();
        let mut progress = Progress {
            lane,
            began,
            deadline,
            retries: attempts.saturating_sub(1),
            made: 0,
            failed: None,
            recorder: request.extensions().get::<Recorder>().cloned(),
            patient: options.is_some_and(|options| options.patient),
        };
        let mut now = began;
        loop {
            if now >= progress.deadline {
                let last = progress
                    .failed
                    .as_mut()
                    .and_then(|failed| failed.last.take());
                return Err(progress.out_of_time(request, last));
            }
            let mut set = Guard::into_inner(lane.entry.load());
            if set.snapshot().is_empty() {
                let ready = Box::pin(lane.entry.ready(progress.deadline)).await;
                ready.map_err(|error| progress.end(request, error))?;
                set = Guard::into_inner(lane.entry.load());
            }
            let options = request.extensions().get::<Options>();
            let hedge = options.and_then(|options| options.hedge);
            set = filtered(set, request);
            set.snapshot().touch(now);
            progress.describe(request, &set);
            let Some(index) = self.strategy.pick(set.snapshot(), progress.tried()) else {
                if progress.tried().is_empty() {
                    return Err(progress.end(request, none_available(request)));
                }
                // The set is another than a moment ago, and what is left of it has been tried.
                Box::pin(self.wait(&mut progress)).await;
                now = time::now();
                continue;
            };
            let picked = Picked { set, index };
            let answer = match hedge {
                Some(delay) if progress.made == 0 && is_idempotent(request, &picked) => {
                    Box::pin(self.hedged(&mut progress, &picked, request, now, delay)).await
                }
                _ => self.attempt(&mut progress, &picked, request, now).await,
            };
            let error = match answer {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            now = time::now();
            if let Some(error) = self.is_final(&mut progress, &picked, request, error, now) {
                return Err(error);
            }
            drop(picked);
            if !self.is_one_left(&progress, request) {
                Box::pin(self.wait(&mut progress)).await;
                now = time::now();
            }
            lane.retries.fetch_add(1, Relaxed);
        }
    }

    async fn attempt(
        &self,
        progress: &mut Progress<'_>,
        picked: &Picked,
        request: &mut Request,
        now: Nanos,
    ) -> Result<Response> {
        let member = picked.member();
        let repeatable = progress.retries > 0 && is_idempotent(request, picked);
        let lent = if repeatable {
            progress.retries / 2
        } else {
            progress.retries
        };
        let latency = request.target().latency();
        let patience = match progress.patient {
            true => progress.deadline.saturating_sub(now) / 2,
            false => latency.patience(progress.made),
        };
        let patience = now.saturating_add(patience);
        let attempt = Attempt {
            now,
            deadline: progress.deadline,
            patience: patience.min(progress.deadline),
            repeatable,
            attempts: lent + 1,
        };
        if let Some(recorder) = &progress.recorder {
            let why = self.strategy.name();
            recorder.write(|record| record.begin(&member.node, why, progress.began, &attempt));
        }
        let mut marker = Marker {
            lane: progress.lane,
            picked,
            started: now,
            armed: true,
        };
        member.load.begin(now);
        let answer = match picked.peer().connection() {
            Ok(connection) => send(connection, request, attempt).await,
            Err(error) => Err(error),
        };
        let ended = match &answer {
            Ok(response) if response.received != 0 => response.received,
            _ => time::now(),
        };
        marker.end(ended, verdict(&answer));
        if answer.is_ok() {
            request.target().latency().record(ended.saturating_sub(now));
        }
        if let Some(recorder) = &progress.recorder {
            recorder.write(|record| record.end(&answer, progress.began, now, ended));
        }
        if repeatable && matches!(&answer, Err(error) if !is_harmless(error)) {
            // What was lent may have been spent.
            progress.retries -= lent;
        }
        answer
    }

    /// The first attempt, with another beside it if it takes longer than `delay`.
    async fn hedged(
        &self,
        progress: &mut Progress<'_>,
        picked: &Picked,
        request: &mut Request,
        now: Nanos,
        delay: Duration,
    ) -> Result<Response> {
        let lane = progress.lane;
        if progress.retries == 0 {
            // The only attempt that is left in this tree of calls.
            return self.attempt(progress, picked, request, now).await;
        }
        let Some(mut copy) = request.duplicate() else {
            return self.attempt(progress, picked, request, now).await;
        };
        let mut beside = Progress {
            // It is the last of its kind: nothing follows it.
            retries: 0,
            failed: progress.failed.clone(),
            recorder: progress.recorder.clone(),
            ..*progress
        };
        beside.failed().tried.add(picked.member());
        let (beside, copy) = (&mut beside, &mut copy);
        let mut hedged = false;
        let second = || {
            let now = time::now();
            picked.set.snapshot().touch(now);
            let index = self.strategy.pick(picked.set.snapshot(), beside.tried())?;
            lane.budget.withdraw(now).then_some(())?;
            lane.hedges.fetch_add(1, Relaxed);
            hedged = true;
            beside.note(format_args!("hedged after {delay:?}"));
            let set = picked.set.clone();
            Some(async move {
                let other = Picked { set, index };
                self.attempt(beside, &other, copy, now).await
            })
        };
        let first = self.attempt(progress, picked, request, now);
        let answer = hedge::race(first, delay, second).await;
        if hedged {
            // It was one of those that the tree of calls may make.
            progress.retries = progress.retries.saturating_sub(1);
        }
        answer
    }

    /// The error to end the call with, unless another attempt may be made.
    fn is_final(
        &self,
        progress: &mut Progress<'_>,
        picked: &Picked,
        request: &Request,
        error: Error,
        now: Nanos,
    ) -> Option<Error> {
        let harmless = is_harmless(&error);
        let idempotent = is_idempotent(request, picked);
        let failed = progress.failed();
        failed.tried.add(picked.member());
        failed.maybe_done |= !harmless;
        if !error.is_retryable(idempotent) || is_local(&error) {
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
        if !progress.lane.budget.withdraw(now) {
            progress.note("no further attempt: the retry budget is spent");
            return Some(progress.end(request, error));
        }
        progress.failed().last = Some(error);
        progress.made += 1;
        None
    }

    /// Whether a node has not been tried, of those there are now: some may have come since the last pick.
    fn is_one_left(&self, progress: &Progress<'_>, request: &Request) -> bool {
        let set = filtered(Guard::into_inner(progress.lane.entry.load()), request);
        let left = self.strategy.pick(set.snapshot(), progress.tried());
        left.is_some()
    }

    /// Every node has been tried: waits, then all may be tried again.
    async fn wait(&self, progress: &mut Progress<'_>) {
        let wait = progress.failed().backoff.next(self.rng.number());
        progress.note(format_args!("waited {wait:?}: every node had been tried"));
        let until = time::now().saturating_add(wait.as_nanos() as u64);
        tokio::time::sleep_until(time::instant(until.min(progress.deadline))).await;
        progress.failed().tried.clear();
    }
}

/// The nodes of a set that the request may go to.
fn filtered(set: Arc<Set<Arc<dyn Peer>>>, request: &Request) -> Arc<Set<Arc<dyn Peer>>> {
    let options = request.extensions().get::<Options>();
    match options.and_then(|options| options.filter.as_ref()) {
        Some(filter) => set.filtered(&**filter),
        None => set,
    }
}

impl Progress<'_> {
    fn tried(&self) -> &Tried {
        self.failed.as_ref().map_or(&NONE, |failed| &failed.tried)
    }

    fn failed(&mut self) -> &mut Failed {
        self.failed.get_or_insert_default()
    }

    fn maybe_done(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.maybe_done)
    }

    fn note(&self, note: impl std::fmt::Display) {
        if let Some(recorder) = &self.recorder {
            recorder.write(|record| record.notes.push(note.to_string()));
        }
    }

    /// Writes down what was known before the first attempt.
    fn describe(&self, request: &Request, kept: &Set<Arc<dyn Peer>>) {
        if let Some(recorder) = &self.recorder {
            let all = self.lane.entry.load();
            let age = self.lane.entry.age();
            recorder.write(|record| {
                if record.attempts.is_empty() {
                    record.age_us = age.as_micros() as u64;
                    record.describe(request, self.began, self.deadline, &all, kept);
                }
            });
        }
    }

    fn end(&self, request: &Request, error: Error) -> Error {
        let error = match error.outcome() {
            Outcome::NotSent | Outcome::Rejected if self.maybe_done() => {
                error.with_outcome(Outcome::Unknown)
            }
            _ => error,
        };
        if error.origin().is_empty() {
            error.with_origin(request.target().to_string())
        } else {
            error
        }
    }

    fn out_of_time(&self, request: &Request, last: Option<Error>) -> Error {
        let spent = Duration::from_nanos(self.deadline.saturating_sub(self.began));
        let error = Error::deadline_exceeded(format!("no answer within {spent:?}"));
        let error = match last {
            Some(last) => {
                let outcome = last.outcome();
                error.with_source(last).with_outcome(outcome)
            }
            None => error.with_outcome(Outcome::NotSent),
        };
        self.end(request, error)
    }
}

/// Sees to it that a begun attempt is ended at its node, also when its future is dropped.
struct Marker<'a> {
    lane: &'a Lane,
    picked: &'a Picked,
    started: Nanos,
    armed: bool,
}

impl Marker<'_> {
    fn end(&mut self, now: Nanos, verdict: Verdict) {
        self.armed = false;
        let (member, peer) = (self.picked.member(), self.picked.peer());
        self.lane.mark(member, peer, now, self.started, verdict);
    }
}

impl Drop for Marker<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.end(time::now(), Verdict::Cancelled);
        }
    }
}

/// Whether doing it twice does no harm: so says the call, or the endpoint's record.
fn is_idempotent(request: &Request, picked: &Picked) -> bool {
    request.is_idempotent()
        || picked
            .member()
            .node
            .endpoint(request.endpoint())
            .is_some_and(|endpoint| endpoint.is_idempotent())
}

/// Whether nothing can have been done.
pub(super) fn is_harmless(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected)
}

/// Whether every node would say the same.
fn is_local(error: &Error) -> bool {
    is_harmless(error)
        && matches!(
            error.code(),
            Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound | Code::Unimplemented
        )
}

/// What the end of an attempt says about its node.
fn verdict(answer: &Result<Response>) -> Verdict {
    match answer {
        Ok(response) => Verdict::Answered {
            server_load: response.load,
        },
        // It failed here, before there was anything to send.
        Err(error) if error.outcome() == Outcome::NotSent && is_local(error) => Verdict::Cancelled,
        Err(error) => Verdict::of(Some(error)),
    }
}

fn none_available(request: &Request) -> Error {
    Error::unavailable(format!(
        "no node of service `{}` may take this call",
        request.service()
    ))
    .with_outcome(Outcome::NotSent)
    .with_origin(request.target().to_string())
}
