//! `micro doctor`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use micro::selector::Snapshots;
use serde_json::json;

use crate::{
    arguments,
    doctor::{self, Report, snapshots},
    failure::{Failure, Result},
    session::Session,
};

/// Check the registry and the broker: reached, how fast, what is permitted, how old the data is, what to do
///
/// Registers a node `micro-doctor-…` for some seconds and sends an event on a topic of such a name.
#[derive(Args)]
pub(crate) struct Doctor {
    /// How long to wait for each answer
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration, default_value = "5s")]
    timeout: Duration,
    /// Look at the sets that a client keeps for a start without its registry here, not where they usually are
    #[arg(long, value_name = "DIRECTORY")]
    snapshots: Option<PathBuf>,
}

impl Doctor {
    pub(crate) fn run(self, session: &Session) -> Result {
        let (mut reports, kept) = session.block_on(async {
            let mut reports = Vec::new();
            let mut kept: Vec<_> = self.snapshots.iter().cloned().collect();
            for (url, registry) in session.registries()? {
                reports.push(doctor::registry(&url, &*registry, self.timeout).await);
                let usual = Snapshots::Usual.directory(&*registry);
                kept.extend(usual.filter(|path| self.snapshots.is_none() && path.is_dir()));
            }
            let registers = reports.is_empty() || reports.iter().any(Report::registers);
            let client = session.plugins()?.client()?;
            reports.push(doctor::broker(&client, registers, self.timeout).await);
            Ok((reports, kept))
        })?;
        reports.extend(kept.iter().map(|directory| snapshots::look(directory)));
        let ill = reports.iter().filter(|report| !report.is_well()).count();
        if session.json() {
            session.print(json!(reports.iter().map(Report::json).collect::<Vec<_>>()))?;
        } else {
            for report in &reports {
                session.print_styled(report.text(session.coloured()))?;
            }
        }
        match ill {
            0 => Ok(()),
            _ => Err(Failure::Failed(format!(
                "{ill} of {} are not well",
                reports.len()
            ))),
        }
    }
}
