//! The results of the run.

use std::fmt;

use serde::Serialize;

use super::progress::Progress;
use crate::{
    failure::{Failure, Result},
    load::{Errors, Summary, milliseconds},
    session::Session,
};

/// The figures of the whole run.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    calls: u64,
    failed: u64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    slowest_ms: f64,
    retries: u64,
    ejected: u64,
    kills: u64,
    hangs: u64,
    rolls: u64,
}

impl Results {
    pub(super) fn new(calls: &Summary, ejected: u64, progress: &Progress) -> Self {
        Results {
            calls: calls.calls,
            failed: calls.failed,
            p50_us: calls.p50_us,
            p99_us: calls.p99_us,
            p999_us: calls.p999_us,
            slowest_ms: (calls.max_us as f64 / 100.0).round() / 10.0,
            retries: calls.retries,
            ejected,
            kills: progress.kills,
            hangs: progress.hangs,
            rolls: progress.rolls,
        }
    }

    /// Prints the results; fails if a call failed or none was made.
    pub(super) fn print(&self, session: &Session, errors: &Errors) -> Result {
        if session.json() {
            session.print(serde_json::to_string(self).expect("figures have a JSON form"))?;
        } else {
            session.print(format_args!("\n{self}"))?;
        }
        if let Some((error, _)) = errors.values().next() {
            let failed = self.failed;
            return Err(Failure::Failed(format!(
                "{failed} calls failed, such as: {error}"
            )));
        }
        if self.calls == 0 {
            return Err(Failure::Failed("no call was made".into()));
        }
        Ok(())
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |count: u64, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {what}{plural}")
        };
        writeln!(
            f,
            "{}, {} and {}:",
            times(self.kills, "kill"),
            times(self.hangs, "hang"),
            times(self.rolls, "roll")
        )?;
        writeln!(
            f,
            "{} calls, {} failed, slowest {:.0} ms, {} retried, {} ejected",
            self.calls, self.failed, self.slowest_ms, self.retries, self.ejected
        )?;
        write!(
            f,
            "p50 {}  p99 {}  p99.9 {}",
            milliseconds(self.p50_us),
            milliseconds(self.p99_us),
            milliseconds(self.p999_us)
        )
    }
}
