//! What travels with a call: time left, attempts left, criticality, trace, metadata.

mod wire;

use std::{fmt, time::Duration};

use crate::{
    error::{Error, Result},
    metadata::Metadata,
    time::{self, NEVER, Nanos},
};
pub use wire::Wire;

/// What travels with a call, from the edge through every service it reaches.
///
/// A handler receives one and lends it to the calls it makes, so that time and attempts only shrink:
///
/// ```
/// use micro::Context;
/// use std::time::Duration;
///
/// let cx = Context::new().with_timeout(Duration::from_secs(2));
/// assert!(cx.time_left().unwrap() <= Duration::from_secs(2));
/// ```
#[derive(Clone, Default)]
pub struct Context {
    deadline: Deadline,
    attempts: Option<u8>,
    criticality: Criticality,
    trace: Trace,
    metadata: Metadata,
    wire: Option<Wire>,
}

#[derive(Clone, Copy)]
struct Deadline(Nanos);

impl Default for Deadline {
    fn default() -> Self {
        Deadline(NEVER)
    }
}

/// How much a call matters when something must be dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Criticality {
    /// The first to be shed under overload.
    Sheddable = 0,
    /// The ordinary case.
    #[default]
    Default = 1,
    /// The last to be shed.
    Critical = 2,
}

impl Criticality {
    /// `sheddable`, `default` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Criticality::Sheddable => "sheddable",
            Criticality::Default => "default",
            Criticality::Critical => "critical",
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Criticality::Sheddable,
            2 => Criticality::Critical,
            _ => Criticality::Default,
        }
    }
}

/// A W3C trace context: trace id, parent span id and flags; all zero means there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// 16 bytes, the same for the whole call tree.
    pub trace_id: [u8; 16],
    /// 8 bytes, the span that made this call.
    pub span_id: [u8; 8],
    /// Bit 0: sampled.
    pub flags: u8,
}

impl Trace {
    /// The trace of an id, the span in it that calls, and the flags.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Self {
        Trace {
            trace_id,
            span_id,
            flags,
        }
    }

    /// Whether there is a trace.
    pub fn is_some(&self) -> bool {
        self.trace_id != [0; 16]
    }
}

impl Context {
    /// The context of a call that starts here: no deadline of its own, no metadata.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, ending at the latest in `timeout` from now; so end its calls, and their streams.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.limit(time::now().saturating_add(time::nanos(timeout)));
        self
    }

    /// The same with one more entry of metadata.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.metadata.insert(name, value.as_ref());
        self
    }

    /// The same with at most `attempts` attempts in the whole tree of calls below it; at least 1.
    pub fn with_attempts(mut self, attempts: u8) -> Self {
        self.attempts = Some(attempts.max(1));
        self
    }

    /// The same with another criticality.
    pub fn with_criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = criticality;
        self
    }

    /// The same within another trace.
    pub fn with_trace(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// Time until the deadline, zero when it has passed; `None` when there is no deadline.
    pub fn time_left(&self) -> Option<Duration> {
        (self.deadline.0 != NEVER)
            .then(|| Duration::from_nanos(self.deadline.0.saturating_sub(time::now())))
    }

    /// An error when the deadline has passed; for handlers that work in steps.
    pub fn check(&self) -> Result<()> {
        if self.deadline.0 != NEVER && time::now() >= self.deadline.0 {
            return Err(Error::deadline_exceeded(
                "the time for this call has run out",
            ));
        }
        Ok(())
    }

    /// Attempts that the tree of calls below may still make; `None` where nothing was said.
    pub fn attempts_left(&self) -> Option<u8> {
        self.attempts
    }

    /// How much the call matters.
    pub fn criticality(&self) -> Criticality {
        self.criticality
    }

    /// The trace it belongs to.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Metadata: names without case, values of text.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Metadata, to change.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The context of a request that came in.
    pub(crate) fn received(
        deadline: Nanos,
        attempts: Option<u8>,
        criticality: Criticality,
        trace: Trace,
        metadata: Metadata,
    ) -> Self {
        Context {
            deadline: Deadline(deadline),
            attempts,
            criticality,
            trace,
            metadata,
            wire: None,
        }
    }

    /// The call on the wire; `None` where nobody compresses, or the protocol says nothing of it.
    pub fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// Lets a call be seen on the wire.
    pub(crate) fn set_wire(&mut self, wire: Wire) {
        self.wire = Some(wire);
    }

    pub(crate) fn deadline(&self) -> Nanos {
        self.deadline.0
    }

    /// Brings the deadline forward to `at`; never back.
    pub(crate) fn limit(&mut self, at: Nanos) {
        self.deadline.0 = self.deadline.0.min(at);
    }

    /// The context of a call made on behalf of this one: all but hop-by-hop metadata.
    pub(crate) fn child(&self) -> Self {
        let mut child = self.clone();
        child.metadata.strip_hop_by_hop();
        child.wire = None;
        child
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("time_left", &self.time_left())
            .field("attempts", &self.attempts)
            .field("criticality", &self.criticality)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_only_comes_nearer() {
        let cx = Context::new()
            .with_timeout(Duration::from_secs(1))
            .with_timeout(Duration::from_secs(9));
        assert_eq!(cx.time_left(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(cx.time_left(), Some(Duration::ZERO));
        assert!(cx.check().is_err());
    }

    #[test]
    fn a_child_call_drops_hop_by_hop_names_and_keeps_the_rest() {
        let cx = Context::new().with("X-Micro-Id", "7").with("Tenant", "a");
        let child = cx.child();
        assert_eq!(child.metadata().get("micro-id"), None);
        assert_eq!(child.metadata().get("x-micro-id"), None);
        assert_eq!(child.metadata().get("tenant"), Some("a"));
    }
}
