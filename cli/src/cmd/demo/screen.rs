//! What a person sees while it runs: a table that is drawn anew, or lines where there is no terminal.

use std::fmt::Write as _;

use super::progress::{Event, Progress};
use crate::{
    failure::Result,
    load::{Summary, milliseconds},
    session::Session,
};

/// Width of the bar of a node that answers every call.
const BAR_WIDTH: f64 = 40.0;

/// How the run is shown.
pub(super) enum Screen {
    /// Not at all: the last line is for a program.
    Silent,
    /// A line each time, and one for each event; `shown` are those already told.
    Lines { shown: usize },
    /// A table in place of the one before, which was of so many lines.
    Table { lines: usize },
}

impl Screen {
    pub(super) fn new(session: &Session, is_terminal: bool) -> Self {
        match (session.json(), is_terminal) {
            (true, _) => Screen::Silent,
            (false, true) => Screen::Table { lines: 0 },
            (false, false) => Screen::Lines { shown: 0 },
        }
    }

    /// Shows how it stands: `now` are the figures since the last time, `all` those of the whole run.
    pub(super) fn show(
        &mut self,
        session: &Session,
        progress: &Progress,
        now: &Summary,
        all: &Summary,
    ) -> Result {
        match self {
            Screen::Silent => Ok(()),
            Screen::Lines { shown } => {
                let fresh = progress.event_count - *shown;
                *shown = progress.event_count;
                let known = progress.events.len();
                for event in progress.events.iter().skip(known.saturating_sub(fresh)) {
                    session.print(line(event))?;
                }
                let seconds = progress.elapsed().as_secs_f64();
                let mut shares = String::new();
                for node in &progress.nodes {
                    let _ = write!(shares, " {:.0}%", node.share * 100.0);
                }
                let (throughput, failures) = (throughput(now), failures(all));
                session.print(format_args!(
                    "{seconds:6.1} s  {throughput}  {failures}  shares{shares}"
                ))
            }
            Screen::Table { lines } => {
                let table = table(progress, now, all);
                let table = table.trim_end();
                // Back to the top of the last one, and everything below it goes.
                let back = match *lines {
                    0 => String::new(),
                    lines => format!("\x1b[{lines}A\x1b[J"),
                };
                *lines = table.lines().count();
                session.print_styled(format_args!("{back}{table}"))
            }
        }
    }
}

fn table(progress: &Progress, now: &Summary, all: &Summary) -> String {
    let mut text = String::new();
    // Two lines, for terminals of eighty columns. Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:6.1} s  {}\n          {}\n",
        progress.elapsed().as_secs_f64(),
        throughput(now),
        failures(all)
    );
    for (index, node) in progress.nodes.iter().enumerate() {
        let name = format!("greeter-{}", index + 1);
        let percent = node.share * 100.0;
        let bar = "█".repeat((node.share * BAR_WIDTH).round() as usize);
        let _ = writeln!(text, "  {name:<11} {:<8} {percent:3.0} %  {bar}", node.name);
    }
    text.push('\n');
    for event in &progress.events {
        let _ = writeln!(text, "{}", line(event));
    }
    text
}

fn throughput(now: &Summary) -> String {
    format!(
        "{:5.0} calls/s  p50 {}  p99 {}  p99.9 {}",
        now.per_second,
        milliseconds(now.p50_us),
        milliseconds(now.p99_us),
        milliseconds(now.p999_us),
    )
}

fn failures(all: &Summary) -> String {
    format!("failed {}  retried {}", all.failed, all.retries)
}

fn line(event: &Event) -> String {
    let Event { at, node, what } = event;
    format!("{:6.1} s  greeter-{}: {what}", at.as_secs_f64(), node + 1)
}
