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

/// Check the registry, its nodes and the broker, and print what to do about failures
///
/// Checks access, latency, permissions and age of the data. Connects to each registered node, and reports those that are
/// unreachable, at a loopback address, or answered by another service. Registers a node `micro-doctor-…` for some
/// seconds, and publishes an event on a topic with that name.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Timeout of each check
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration, default_value = "5s")]
    timeout: Duration,
    /// Directory of the snapshots that clients start from while the registry is unreachable; the usual one by default
    #[arg(long, value_name = "DIRECTORY")]
    snapshots: Option<PathBuf>,
}

impl Doctor {
    pub(crate) fn run(self, session: &Session) -> Result {
        let (mut reports, kept, nodes) = session.block_on(async {
            let plugins = session.plugins()?;
            let (mut reports, mut nodes) = (Vec::new(), Vec::new());
            let mut kept: Vec<_> = self.snapshots.iter().cloned().collect();
            for (url, registry) in session.registries()? {
                let report = doctor::registry(&url, &*registry, self.timeout).await;
                let is_reached = report.is_reached();
                reports.push(report);
                if is_reached {
                    let tried = doctor::nodes(&url, &*registry, &plugins, self.timeout);
                    nodes.push(tried.await);
                }
                let usual = Snapshots::Usual.directory(&*registry);
                kept.extend(usual.filter(|path| self.snapshots.is_none() && path.is_dir()));
            }
            let registers = reports.is_empty() || reports.iter().any(Report::registers);
            let client = plugins.client()?;
            reports.push(doctor::broker(&client, registers, self.timeout).await);
            Ok((reports, kept, nodes))
        })?;
        reports.extend(kept.iter().map(|directory| snapshots::look(directory)));
        reports.extend(nodes);
        let failed = reports.iter().filter(|report| !report.has_passed()).count();
        if session.json() {
            session.print(json!(reports.iter().map(Report::json).collect::<Vec<_>>()))?;
        } else {
            for report in &reports {
                session.print_styled(report.text(session.coloured()))?;
            }
        }
        match failed {
            0 => Ok(()),
            _ => Err(Failure::Failed(format!(
                "{failed} of {} are not well",
                reports.len()
            ))),
        }
    }
}
