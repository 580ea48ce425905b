//! The state of a call between its attempts.

use std::{sync::Arc, time::Duration};

use super::{Backoff, Nodes, Recorder, endpoint::Endpoint, outcome::is_harmless};
use crate::{
    error::{Error, Outcome, Recovery},
    message::Request,
    selector::TriedNodes,
    time::Nanos,
    transport::Attempt,
};

/// How long nodes whose failure is unlikely to pass are tried again: a second, less the duration of the last try.
pub(super) const PERSIST: Nanos = 900_000_000;

/// The state of a call between its attempts.
pub(super) struct Progress<'a> {
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) began: Nanos,
    pub(super) deadline: Nanos,
    /// Attempts that may still be made, here or below, after one that may have been done.
    pub(super) retries: u8,
    /// Attempts made here after the first.
    pub(super) made: u32,
    /// State of a call with a failed attempt, which most calls do not need.
    pub(super) failed: Option<Box<Failed>>,
    pub(super) recorder: Option<Recorder>,
    /// Whether each attempt gets half the time left.
    pub(super) patient: bool,
}

/// What is known of the failed attempts.
#[derive(Clone, Default)]
pub(super) struct Failed {
    pub(super) tried: TriedNodes,
    /// Whether the work of one of them may have been done.
    pub(super) maybe_done: bool,
    /// How the last one ended.
    pub(super) last: Option<Error>,
    pub(super) backoff: Backoff,
    /// The wait before the next attempt, when every node has been tried.
    pub(super) wait: Option<Duration>,
    /// The best failure since the last wait: whether a node may become reachable.
    pub(super) recovery: Option<Recovery>,
}

pub(super) static NONE: TriedNodes = TriedNodes::new();

impl Progress<'_> {
    /// Counts the attempts lent to a failed attempt as used, if they may have been.
    pub(super) fn spend(&mut self, attempt: &Attempt, error: &Error) {
        // A server that closed a kept connection can hardly have begun.
        if !is_harmless(error) && error.recovery() != Recovery::Reconnect {
            self.retries -= attempt.attempts - 1;
        }
    }

    pub(super) fn tried(&self) -> &TriedNodes {
        self.failed.as_ref().map_or(&NONE, |failed| &failed.tried)
    }

    pub(super) fn failed(&mut self) -> &mut Failed {
        self.failed.get_or_insert_default()
    }

    /// Records whether the failure of an attempt can pass.
    pub(super) fn note_recovery(&mut self, error: &Error) {
        let failed = self.failed();
        failed.recovery = failed.recovery.max(Some(error.recovery()));
    }

    /// Whether trying these nodes again, at `next`, would only cost time: all have been tried.
    pub(super) fn is_hopeless(&self, nodes: &Nodes, next: Nanos) -> bool {
        let mut members = nodes.snapshot().members().iter();
        let recovery = self.failed.as_ref().and_then(|failed| failed.recovery);
        // The registry does not replace a node that the caller gave.
        let given = self.endpoint.is_given();
        let hopeless = match recovery {
            Some(Recovery::Never) => true,
            Some(Recovery::Unlikely) => self.is_long(next),
            Some(Recovery::Unreachable) => given && self.is_long(next),
            _ => false,
        };
        let hopeless = hopeless || (given && next >= self.deadline);
        hopeless && members.all(|member| self.tried().contains(member))
    }

    /// Whether failures that are unlikely to pass have been waited for long enough at this time.
    fn is_long(&self, at: Nanos) -> bool {
        at.saturating_sub(self.began) >= PERSIST
    }

    fn maybe_done(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.maybe_done)
    }

    pub(super) fn note(&self, note: impl std::fmt::Display) {
        if let Some(recorder) = &self.recorder {
            recorder.write(|record| record.notes.push(note.to_string()));
        }
    }

    /// Records the state before the first attempt.
    pub(super) fn describe(&self, request: &Request, kept: &Nodes) {
        if let Some(recorder) = &self.recorder {
            let (all, age) = (self.endpoint.nodes(), self.endpoint.age());
            recorder.write(|record| {
                if record.attempts.is_empty() {
                    record.age_us = age.as_micros() as u64;
                    record.describe(request, self.began, self.deadline, &all, kept);
                }
            });
        }
    }

    pub(super) fn end(&self, request: &Request, error: Error) -> Error {
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

    pub(super) fn out_of_time(&self, request: &Request, last: Option<Error>) -> Error {
        let spent = Duration::from_nanos(self.deadline.saturating_sub(self.began));
        if let (true, Some(last)) = (self.endpoint.is_given(), &last) {
            return self.end(request, last.clone());
        }
        if let Some(last) = last.as_ref().filter(|last| last.is_wrong_server()) {
            let waited = format_args!("no other node within {spent:?}");
            return self.end(request, last.clone().context(waited));
        }
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
