//! [`SentFlag`], which decides what a failure means.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::error::Outcome;

/// Whether a request may have reached the other side. Until it is set, the work has
/// certainly not begun, and another node may be asked.
#[derive(Clone, Debug, Default)]
pub struct SentFlag(Arc<AtomicBool>);

impl SentFlag {
    /// Sets the flag. Call this before the first byte leaves that could make the other side begin.
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
