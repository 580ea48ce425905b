//! Output during the run: a table on a terminal, else lines.

use std::fmt::Write as _;

use super::progress::{Event, Progress};
use crate::{
    failure::Result,
    load::{Summary, milliseconds},
    session::Session,
};

/// Width of the bar of a node that answers all calls.
const BAR_WIDTH: f64 = 40.0;

/// The form of the output.
pub(super) enum Screen {
    /// Only the results at the end.
    Silent,
    /// A line for each update and each event; `shown` events have been printed.
    Lines { shown: usize },
    /// A table that replaces the last one, which had `lines` lines.
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

    /// Prints an update: `now` has the figures since the last one, `all` those of the whole run.
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
                // Moves to the top of the last table and clears the screen below.
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
