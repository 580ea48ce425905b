//! What is known of a call while it is on its way through its attempts.

use std::{sync::Arc, time::Duration};

use super::{Backoff, Recorder, lane::Lane, outcome::is_harmless};
use crate::{
    error::{Error, Outcome, Recovery},
    message::Request,
    selector::{Set, Tried},
    time::{Nanos, nanos},
    transport::{Attempt, Peer},
};

/// For how long nodes are tried again whose failure hardly passes: a second, less what the last try takes.
pub(super) const PERSIST: Nanos = 900_000_000;

/// A call on its way through its attempts.
pub(super) struct Progress<'a> {
    pub(super) lane: &'a Arc<Lane>,
    pub(super) began: Nanos,
    pub(super) deadline: Nanos,
    /// Attempts that may still be made, here or below, although one before may have been done.
    pub(super) retries: u8,
    /// How many were made here after the first.
    pub(super) made: u32,
    /// What only a call that failed once needs; most do not.
    pub(super) failed: Option<Box<Failed>>,
    pub(super) recorder: Option<Recorder>,
    /// Whether each attempt is given half the time that is left.
    pub(super) patient: bool,
}

/// What is known of the attempts that failed.
#[derive(Clone, Default)]
pub(super) struct Failed {
    pub(super) tried: Tried,
    /// Whether one of them may have been done.
    pub(super) maybe_done: bool,
    /// How the last one ended.
    pub(super) last: Option<Error>,
    pub(super) backoff: Backoff,
    /// The best that is known of those tried since the last wait: whether a node may be reached yet.
    pub(super) recovery: Option<Recovery>,
}

pub(super) static NONE: Tried = Tried::new();

impl Progress<'_> {
    /// Takes what was lent to a failed attempt as spent, where it may have been.
    pub(super) fn spend(&mut self, attempt: &Attempt, error: &Error) {
        if !is_harmless(error) {
            self.retries -= attempt.attempts - 1;
        }
    }

    pub(super) fn tried(&self) -> &Tried {
        self.failed.as_ref().map_or(&NONE, |failed| &failed.tried)
    }

    pub(super) fn failed(&mut self) -> &mut Failed {
        self.failed.get_or_insert_default()
    }

    /// Notes whether what an attempt failed with can pass.
    pub(super) fn note_recovery(&mut self, error: &Error) {
        let failed = self.failed();
        failed.recovery = failed.recovery.max(Some(error.recovery()));
    }

    /// Whether another try of these nodes would only cost time, as all have been tried.
    pub(super) fn is_hopeless(&self, nodes: &Set<Arc<dyn Peer>>, now: Nanos) -> bool {
        let mut members = nodes.snapshot().members().iter();
        let recovery = self.failed.as_ref().and_then(|failed| failed.recovery);
        let hopeless = match recovery {
            Some(Recovery::Never) => true,
            Some(Recovery::Unlikely) => {
                let next = now.saturating_add(nanos(Backoff::default().max()));
                next.saturating_sub(self.began) >= PERSIST
            }
            _ => false,
        };
        hopeless && members.all(|member| self.tried().contains(member))
    }

    fn maybe_done(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.maybe_done)
    }

    pub(super) fn note(&self, note: impl std::fmt::Display) {
        if let Some(recorder) = &self.recorder {
            recorder.write(|record| record.notes.push(note.to_string()));
        }
    }

    /// Writes down what was known before the first attempt.
    pub(super) fn describe(&self, request: &Request, kept: &Set<Arc<dyn Peer>>) {
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
