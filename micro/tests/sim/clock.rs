//! One time for all hosts, though each process has a clock of its own.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

/// The time that has passed since the beginning, read from the clock of whichever process runs.
#[derive(Clone)]
pub struct Clock(Arc<Mutex<Anchor>>);

/// A moment on a process's clock, and which it is in common.
#[derive(Clone, Copy)]
pub struct Anchor {
    own: Instant,
    common: Duration,
}

impl Clock {
    /// Begins now, on the clock of the runtime this is called in.
    pub fn new() -> Self {
        Clock(Arc::new(Mutex::new(Anchor {
            own: Instant::now(),
            common: Duration::ZERO,
        })))
    }

    /// The process that runs from here on is this one's.
    pub fn enter(&self, anchor: Anchor) {
        *self.0.lock().expect("nobody panics with a clock") = anchor;
    }

    /// The anchor of the process that runs.
    pub fn anchor(&self) -> Anchor {
        *self.0.lock().expect("nobody panics with a clock")
    }

    /// The anchor of a process whose clock stands at `own` now.
    pub fn anchor_at(&self, own: Instant) -> Anchor {
        let common = self.now();
        Anchor { own, common }
    }

    /// The time now.
    pub fn now(&self) -> Duration {
        let anchor = self.anchor();
        anchor.common + Instant::now().saturating_duration_since(anchor.own)
    }

    /// When that is, for timers of the process that runs.
    pub fn own(&self, at: Duration) -> Instant {
        self.anchor().own(at)
    }
}

impl Anchor {
    /// When that is, on this process's clock.
    pub fn own(&self, at: Duration) -> Instant {
        self.own + at.saturating_sub(self.common)
    }
}
