//! Warnings that come again and again.

use std::time::Duration;

use tokio::time::Instant;

use crate::session::Session;

/// Between two warnings of one kind.
const BETWEEN: Duration = Duration::from_secs(60);

/// Says one kind of thing once a minute.
#[derive(Default)]
pub(crate) struct Quiet(Option<Instant>);

impl Quiet {
    /// Says it, unless it was said in the last minute.
    pub(crate) fn say(&mut self, session: &Session, text: &str) {
        if self.0.is_none_or(|at| at.elapsed() >= BETWEEN) {
            self.0 = Some(Instant::now());
            session.say(text);
        }
    }

    /// Whether it was said; what comes next is said at once.
    pub(crate) fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}
