//! [`Attempt`], the terms of one attempt of the balance loop.

use tokio::time::Instant;

use crate::time::{self, NEVER, Nanos};

/// The terms of one attempt: how long to wait, whether another attempt may follow, and the attempts lent to the calls
/// made below.
///
/// ```
/// use std::time::Duration;
/// use micro::transport::Attempt;
/// use tokio::time::Instant;
///
/// let deadline = Instant::now() + Duration::from_secs(1);
/// let attempt = Attempt::new().with_deadline(deadline).with_attempts(4);
/// assert_eq!(attempt.deadline(), Some(deadline));
/// assert_eq!(attempt.attempts(), 4);
/// assert!(!attempt.is_repeatable());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The time now, as the caller read it.
    pub(crate) now: Nanos,
    /// When the wait for the answer, or for the head of a streaming answer, ends.
    pub(crate) deadline: Nanos,
    /// When the attempt is given up if nothing was sent, or if it may be repeated.
    pub(crate) timeout_at: Nanos,
    /// Whether another attempt may be made although this one may have been done.
    pub(crate) repeatable: bool,
    /// Attempts lent to the tree of calls below.
    pub(crate) attempts: u8,
}

impl Default for Attempt {
    fn default() -> Self {
        Self::new()
    }
}

impl Attempt {
    /// Creates an attempt that begins now, has no time limit and may not be repeated.
    pub fn new() -> Self {
        Attempt {
            now: time::now(),
            deadline: NEVER,
            timeout_at: NEVER,
            repeatable: false,
            attempts: 1,
        }
    }

    /// Sets when the wait for the answer, or for the head of a streaming answer, ends.
    pub fn with_deadline(mut self, at: Instant) -> Self {
        self.deadline = time::reading(at);
        self
    }

    /// Sets when the attempt is given up early: only if nothing was sent yet, or if it is
    /// [repeatable](Self::repeatable).
    pub fn with_attempt_timeout(mut self, at: Instant) -> Self {
        self.timeout_at = time::reading(at);
        self
    }

    /// Sets whether another attempt may follow although this one may have done the work.
    pub fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// Sets the number of attempts lent to the calls that the handler makes; 1 by default.
    pub fn with_attempts(mut self, attempts: u8) -> Self {
        self.attempts = attempts;
        self
    }

    /// Returns when the caller began it.
    pub fn began(&self) -> Instant {
        time::instant(self.now)
    }

    /// Returns when the wait for the answer, or for the head of a streaming answer, ends.
    pub fn deadline(&self) -> Option<Instant> {
        (self.deadline != NEVER).then(|| time::instant(self.deadline))
    }

    /// Returns when the attempt is given up early: only if nothing was sent yet, or if it is
    /// [repeatable](Self::is_repeatable).
    pub fn attempt_timeout(&self) -> Option<Instant> {
        (self.timeout_at != NEVER).then(|| time::instant(self.timeout_at))
    }

    /// Whether another attempt may follow although this one may have done the work.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Returns the attempts lent to the calls that the handler makes; they are sent with the request.
    pub fn attempts(&self) -> u8 {
        self.attempts
    }
}
