//! Sets that a client keeps on disk.

use std::{fs, io, path::Path, time::Duration};

use super::{Found, Report};

/// What a client would start with from here while its registry is away: how many services, and how old they are.
pub(crate) fn look(directory: &Path) -> Report {
    let mut report = Report::new("snapshots", directory.display().to_string());
    let found = match ages(directory) {
        Ok(ages) => match (ages.iter().min(), ages.iter().max()) {
            (Some(newest), Some(oldest)) => Found::Well(format!(
                "{} services, {newest:.0?} to {oldest:.0?} old",
                ages.len()
            )),
            _ => Found::Without("none is kept here yet".to_owned()),
        },
        Err(error) => Found::Ill {
            why: format!("it cannot be read: {error}"),
            advice: "name the directory that the client was given, and check who may read it"
                .to_owned(),
        },
    };
    report.add("age", found, None);
    report
}

/// The age of each set.
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
            // One from the future was written just now by another clock.
            ages.push(written.elapsed().unwrap_or_default());
        }
    }
    Ok(ages)
}
