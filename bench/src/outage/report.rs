//! The report: a row for each run.

use super::load::Counts;
use crate::report::{Form, verdict};
use anyhow::Result;
use std::{fs, io::Write, time::Duration};

/// The results of a run.
pub(super) struct Row {
    pub(super) backend: &'static str,
    pub(super) scenario: &'static str,
    pub(super) counts: Option<Counts>,
    /// Time from a healthy server to all live nodes in it, and its limit.
    pub(super) back: Option<(Duration, Duration)>,
    /// Before and after the outage.
    pub(super) usage: Option<(Usage, Usage)>,
    pub(super) cold: Option<Cold>,
}

/// Results of a client that started without its registry.
pub(super) struct Cold {
    /// Time to the first answer, with snapshots.
    pub(super) kept: Duration,
    /// Time to the error, without snapshots.
    pub(super) error: Duration,
    /// Minimum and maximum of the time to the error.
    pub(super) bounds: (Duration, Duration),
    pub(super) message: String,
}

/// Resources of the client's process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    descriptors: usize,
    tasks: usize,
}

impl Usage {
    pub(super) fn now() -> Result<Self> {
        Ok(Usage {
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
        })
    }

    pub(super) fn is_within(self, before: Usage) -> bool {
        self.descriptors <= before.descriptors && self.tasks <= before.tasks
    }
}

/// Limit of the time to the first answer with snapshots: 100 ms of waiting for the registry, and a call.
const MAX_FIRST_ANSWER: Duration = Duration::from_millis(250);

impl Row {
    /// The broken promises, if any.
    pub(super) fn complaint(&self) -> Option<String> {
        let mut wrong = Vec::new();
        if let Some(counts) = &self.counts
            && counts.failed > 0
        {
            wrong.push(format!(
                "{} calls failed: {:?}",
                counts.failed, counts.errors
            ));
        }
        if let Some((back, most)) = self.back
            && back > most
        {
            wrong.push(format!(
                "nodes were back after {back:.1?}, at most {most:?}"
            ));
        }
        if let Some((before, after)) = self.usage
            && !after.is_within(before)
        {
            wrong.push(format!(
                "{} descriptors and {} tasks became {} and {}",
                before.descriptors, before.tasks, after.descriptors, after.tasks
            ));
        }
        if let Some(cold) = &self.cold {
            if cold.kept > MAX_FIRST_ANSWER {
                wrong.push(format!(
                    "with kept nodes the first answer took {:.0?}",
                    cold.kept
                ));
            }
            let (least, most) = cold.bounds;
            if cold.error < least || cold.error > most {
                wrong.push(format!(
                    "the error came after {:.0?}, not in {least:?} to {most:?}",
                    cold.error
                ));
            }
            if !cold.message.contains(self.backend) {
                wrong.push(format!(
                    "the error does not name the registry: {}",
                    cold.message
                ));
            }
        }
        (!wrong.is_empty())
            .then(|| format!("{} {}: {}", self.backend, self.scenario, wrong.join("; ")))
    }
}

pub(super) fn head(form: Form, out: &mut impl Write) -> Result<()> {
    if form == Form::Table {
        writeln!(
            out,
            "{:<10} {:<14} {:>8} {:>7} {:>10} {:>8} {:>8} {:>10} {:>10}",
            "registry",
            "outage",
            "calls",
            "failed",
            "slowest ms",
            "back s",
            "<= s",
            "descr.",
            "tasks"
        )?;
    }
    Ok(())
}

pub(super) fn row(row: &Row, form: Form, out: &mut impl Write) -> Result<()> {
    match form {
        Form::Table => table_row(row, out),
        Form::Json => Ok(writeln!(out, "{}", as_json(row))?),
        Form::Check => {
            let verdict = verdict(row.complaint().as_deref());
            Ok(writeln!(
                out,
                "{} {}: {verdict}",
                row.backend, row.scenario
            )?)
        }
    }
}

fn table_row(row: &Row, out: &mut impl Write) -> Result<()> {
    write!(out, "{:<10} {:<14}", row.backend, row.scenario)?;
    if let Some(counts) = &row.counts {
        let slowest = counts.slowest.as_secs_f64() * 1e3;
        write!(
            out,
            " {:>8} {:>7} {slowest:>10.1}",
            counts.calls, counts.failed
        )?;
    }
    if let Some((back, most)) = row.back {
        write!(
            out,
            " {:>8.1} {:>8.1}",
            back.as_secs_f64(),
            most.as_secs_f64()
        )?;
    }
    if let Some((before, after)) = row.usage {
        let descriptors = format!("{} > {}", before.descriptors, after.descriptors);
        let tasks = format!("{} > {}", before.tasks, after.tasks);
        write!(out, " {descriptors:>10} {tasks:>10}")?;
    }
    if let Some(cold) = &row.cold {
        let (kept, error) = (
            cold.kept.as_secs_f64() * 1e3,
            cold.error.as_secs_f64() * 1e3,
        );
        write!(
            out,
            " first answer with kept nodes {kept:.0} ms; without, an error after {error:.0} ms: {}",
            cold.message
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn as_json(row: &Row) -> serde_json::Value {
    let mut json = serde_json::json!({ "registry": row.backend, "outage": row.scenario });
    if let Some(counts) = &row.counts {
        json["calls"] = counts.calls.into();
        json["failed"] = counts.failed.into();
        json["slowest_ms"] = (counts.slowest.as_secs_f64() * 1e3).into();
        json["errors"] = serde_json::json!(counts.errors);
    }
    if let Some((back, most)) = row.back {
        json["back_s"] = back.as_secs_f64().into();
        json["back_at_most_s"] = most.as_secs_f64().into();
    }
    if let Some((before, after)) = row.usage {
        json["descriptors"] = serde_json::json!([before.descriptors, after.descriptors]);
        json["tasks"] = serde_json::json!([before.tasks, after.tasks]);
    }
    if let Some(cold) = &row.cold {
        json["kept_ms"] = (cold.kept.as_secs_f64() * 1e3).into();
        json["error_ms"] = (cold.error.as_secs_f64() * 1e3).into();
        json["error"] = cold.message.clone().into();
    }
    json
}
