//! Busy polling: waits actively for an answer that is likely to come at once. Opt-in, and suspended if it does not pay.
//!
//! Waking a sleeping thread costs some ten times what the bytes of a small call do. With few concurrent calls
//! and answers within the budget, polling again at once is cheaper for both sides. If answers take longer,
//! only one try in [`RETRY_WRITES`] finds out whether that has changed.

use std::{future::Future, pin::pin, task::Context, time::Duration};

use crate::time::{self, Nanos, nanos};

/// How seldom polling is tried while answers take longer than the budget.
const RETRY_WRITES: u32 = 64;

/// The polling of one connection on one side.
pub(super) struct BusyPolling {
    budget: Nanos,
    /// The time from a write to the next read, smoothed.
    gap: Nanos,
    /// The time of the last write, if nothing was read since.
    wrote: Option<Nanos>,
    writes: u32,
    trying: bool,
}

impl BusyPolling {
    /// Polls for at most `budget` after a write; `None` switches polling off.
    pub(super) fn new(budget: Option<Duration>) -> Option<Self> {
        budget.map(|budget| BusyPolling {
            budget: nanos(budget),
            gap: 0,
            wrote: None,
            writes: 0,
            trying: false,
        })
    }

    /// Records a write.
    pub(super) fn wrote(&mut self) {
        self.writes = self.writes.wrapping_add(1);
        self.wrote = Some(time::now());
        self.trying = self.gap < self.budget || self.writes.is_multiple_of(RETRY_WRITES);
    }

    /// Records a read.
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

    /// Yields the task until the thread has checked for input, if that is likely to pay.
    pub(super) fn look_again(&mut self, cx: &mut Context<'_>) {
        let Some(wrote) = self.wrote else { return };
        if !self.trying {
            return;
        }
        if time::now().saturating_sub(wrote) > self.budget {
            self.trying = false;
            return;
        }
        // The runtime checks for input before it returns to a task that yields.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
    }
}
