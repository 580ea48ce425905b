//! Waiting awake for an answer that is likely to come at once: opt-in, and given up where it does not pay.
//!
//! Waking a sleeping thread costs some ten times what the bytes of a small call do. Where few calls are
//! out and answers come sooner than the budget, looking again at once is cheaper for both sides; where
//! they do not, only one try in [`RETRY_WRITES`] finds out whether that has changed.

use std::{future::Future, pin::pin, task::Context, time::Duration};

use crate::time::{self, Nanos, nanos};

/// How seldom it is tried while answers take longer than the budget.
const RETRY_WRITES: u32 = 64;

/// One side's polling of one connection.
pub(super) struct BusyPolling {
    budget: Nanos,
    /// From a write to the read after it, smoothed.
    gap: Nanos,
    /// When the last write was, if nothing was read since.
    wrote: Option<Nanos>,
    writes: u32,
    trying: bool,
}

impl BusyPolling {
    /// Polling for at most `budget` after a write; `None` for none.
    pub(super) fn new(budget: Option<Duration>) -> Option<Self> {
        budget.map(|budget| BusyPolling {
            budget: nanos(budget),
            gap: 0,
            wrote: None,
            writes: 0,
            trying: false,
        })
    }

    /// Notes a write.
    pub(super) fn wrote(&mut self) {
        self.writes = self.writes.wrapping_add(1);
        self.wrote = Some(time::now());
        self.trying = self.gap < self.budget || self.writes.is_multiple_of(RETRY_WRITES);
    }

    /// Notes a read.
    pub(super) fn read(&mut self, now: Nanos) {
        if let Some(wrote) = self.wrote.take() {
            let gap = now.saturating_sub(wrote);
            self.gap = if self.trying && gap < self.budget {
                gap
            } else {
                self.gap - self.gap / 8 + gap / 8
            };
        }
        self.trying = false;
    }

    /// Has the task polled again as soon as the thread has looked for input, if that is worth it.
    pub(super) fn look_again(&mut self, cx: &mut Context<'_>) {
        let Some(wrote) = self.wrote else { return };
        if !self.trying {
            return;
        }
        if time::now().saturating_sub(wrote) > self.budget {
            self.trying = false;
            return;
        }
        // The runtime looks for input before it comes back to a task that yields.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
    }
}
