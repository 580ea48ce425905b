//! Warnings at most once a minute.

use std::time::Duration;

use tokio::time::Instant;

use crate::session::Session;

const INTERVAL: Duration = Duration::from_secs(60);

/// A warning that is printed at most once a minute.
#[derive(Default)]
pub(crate) struct ThrottledWarning(Option<Instant>);

impl ThrottledWarning {
    /// Prints the warning, unless it was printed in the last minute.
    pub(crate) fn say(&mut self, session: &Session, text: &str) {
        if self.0.is_none_or(|at| at.elapsed() >= INTERVAL) {
            self.0 = Some(Instant::now());
            session.say(text);
        }
    }

    /// Whether the warning was printed; the next one is printed at once.
    pub(crate) fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}
