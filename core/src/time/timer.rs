//! A timer for a task with many deadlines.

use std::{pin::Pin, task::Context};

use tokio::time::Sleep;

use super::{NEVER, Nanos, instant};

/// One timer, reset only for an earlier deadline or when it fires.
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    pub(crate) armed: Nanos,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Timer {
            sleep: None,
            armed: NEVER,
        }
    }

    /// Whether `at` may have passed. If not, wakes `cx` then at the latest.
    pub(crate) fn poll(&mut self, at: Nanos, cx: &mut Context<'_>) -> bool {
        if at == NEVER && self.armed == NEVER {
            return false;
        }
        if at < self.armed {
            self.armed = at;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(instant(at)),
                None => {
                    self.sleep = Some(Box::pin(tokio::time::sleep_until(instant(at))));
                }
            }
        }
        let fired = self
            .sleep
            .as_mut()
            .is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if fired {
            self.armed = NEVER;
            // It fired for a deadline that is gone; the next poll resets it.
        }
        fired
    }
}
