//! What a person sees while it runs: a table that is drawn anew, or lines where there is no terminal.

use std::fmt::Write as _;

use super::board::{Board, Event};
use crate::{
    failure::Result,
    load::{Summary, milliseconds},
    session::Session,
};

/// Width of the bar of a node that answers every call.
const BAR: f64 = 40.0;

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
        board: &Board,
        now: &Summary,
        all: &Summary,
    ) -> Result {
        match self {
            Screen::Silent => Ok(()),
            Screen::Lines { shown } => {
                let fresh = board.happened - *shown;
                *shown = board.happened;
                let known = board.events.len();
                for event in board.events.iter().skip(known.saturating_sub(fresh)) {
                    session.print(line(event))?;
                }
                let seconds = board.elapsed().as_secs_f64();
                let mut shares = String::new();
                for node in &board.nodes {
                    let _ = write!(shares, " {:.0}%", node.share * 100.0);
                }
                let (speed, troubles) = (speed(now), troubles(all));
                session.print(format_args!(
                    "{seconds:6.1} s  {speed}  {troubles}  shares{shares}"
                ))
            }
            Screen::Table { lines } => {
                let table = table(board, now, all);
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

fn table(board: &Board, now: &Summary, all: &Summary) -> String {
    let mut text = String::new();
    // Two lines, for terminals of eighty columns. Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:6.1} s  {}\n          {}\n",
        board.elapsed().as_secs_f64(),
        speed(now),
        troubles(all)
    );
    for (index, node) in board.nodes.iter().enumerate() {
        let name = format!("greeter-{}", index + 1);
        let percent = node.share * 100.0;
        let bar = "█".repeat((node.share * BAR).round() as usize);
        let _ = writeln!(text, "  {name:<11} {:<8} {percent:3.0} %  {bar}", node.name);
    }
    text.push('\n');
    for event in &board.events {
        let _ = writeln!(text, "{}", line(event));
    }
    text
}

fn speed(now: &Summary) -> String {
    format!(
        "{:5.0} calls/s  p50 {}  p99 {}  p99.9 {}",
        now.per_second,
        milliseconds(now.p50_us),
        milliseconds(now.p99_us),
        milliseconds(now.p999_us),
    )
}

fn troubles(all: &Summary) -> String {
    format!("failed {}  retried {}", all.failed, all.retries)
}

fn line(event: &Event) -> String {
    let Event { at, node, what } = event;
    format!("{:6.1} s  greeter-{}: {what}", at.as_secs_f64(), node + 1)
}
