//! One time for all processes, though each has a clock of its own.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The time since the start of the simulation, read from the clock of the process that runs.
#[derive(Clone)]
pub(super) struct Clock(Arc<Mutex<Anchor>>);

/// An instant on a process's clock, with the common time at that instant.
#[derive(Clone, Copy)]
pub(super) struct Anchor {
    own: Instant,
    common: Duration,
}

impl Clock {
    /// Starts the common time, on the clock of the current runtime.
    pub(super) fn new() -> Self {
        Clock(Arc::new(Mutex::new(Anchor {
            own: Instant::now(),
            common: Duration::ZERO,
        })))
    }

    /// Switches to the process with this anchor.
    pub(super) fn enter(&self, anchor: Anchor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = anchor;
    }

    /// The anchor of the process that runs.
    pub(super) fn anchor(&self) -> Anchor {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The anchor of a process whose clock shows `own` now.
    pub(super) fn anchor_at(&self, own: Instant) -> Anchor {
        let common = self.now();
        Anchor { own, common }
    }

    /// The common time.
    pub(super) fn now(&self) -> Duration {
        let anchor = self.anchor();
        anchor.common + Instant::now().saturating_duration_since(anchor.own)
    }

    /// The instant of a common time on the clock of the process that runs.
    pub(super) fn own(&self, at: Duration) -> Instant {
        self.anchor().own(at)
    }
}

impl Anchor {
    /// The instant of a common time on this process's clock.
    pub(super) fn own(&self, at: Duration) -> Instant {
        self.own + at.saturating_sub(self.common)
    }
}
