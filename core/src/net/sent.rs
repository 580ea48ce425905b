//! Whether a request may have left, which decides what a failure means.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::error::Outcome;

/// Whether a request may have reached the other side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<AtomicBool>);

impl Sent {
    /// From now on the work may be done.
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    /// The outcome of a failure at this moment.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.0.load(Relaxed) {
            Outcome::Unknown
        } else {
            Outcome::NotSent
        }
    }
}
