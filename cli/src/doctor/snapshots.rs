//! Snapshots of nodes that clients keep on disk.

use std::{fs, io, path::Path, time::Duration};

use super::{CheckResult, Report};

/// Checks the snapshots in a directory: how many services, and how old. A client starts from them while its registry
/// is unreachable.
pub(crate) fn look(directory: &Path) -> Report {
    let mut report = Report::new("snapshots", directory.display().to_string());
    let found = match ages(directory) {
        Ok(ages) => match (ages.iter().min(), ages.iter().max()) {
            (Some(newest), Some(oldest)) => CheckResult::Passed(format!(
                "{} services, {newest:.0?} to {oldest:.0?} old",
                ages.len()
            )),
            _ => CheckResult::Skipped("no snapshot here yet".to_owned()),
        },
        Err(error) => CheckResult::Failed {
            why: format!("it cannot be read: {error}"),
            advice: "name the directory that the client was given, and check who may read it"
                .to_owned(),
        },
    };
    report.add("age", found, None);
    report
}

/// The age of each snapshot.
fn ages(directory: &Path) -> io::Result<Vec<Duration>> {
    let mut ages = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let written = entry.metadata()?.modified()?;
            // A time in the future comes from another clock.
            ages.push(written.elapsed().unwrap_or_default());
        }
    }
    Ok(ages)
}
