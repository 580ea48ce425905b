//! Whether a request may have left, which decides what a failure means.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::error::Outcome;

/// Whether a request may have reached the other side, which decides what a failure means: until it is set, the work was
/// certainly not begun, and another node may be asked.
#[derive(Clone, Debug, Default)]
pub struct SentFlag(Arc<AtomicBool>);

impl SentFlag {
    /// Notes that the work may be done from now on: to be called before the first byte leaves that could begin it.
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    /// The outcome of a failure at this moment.
    pub fn outcome(&self) -> Outcome {
        if self.0.load(Relaxed) {
            Outcome::Unknown
        } else {
            Outcome::NotSent
        }
    }
}
