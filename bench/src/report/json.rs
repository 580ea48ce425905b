//! One object a line: the figures, then the targets.

use crate::{
    figures::Figures,
    targets::{Bound, TARGETS},
};
use anyhow::Result;
use serde_json::json;
use std::io::Write;

/// Targets whose systems were not measured have no line: a missing figure is not a failure of one.
pub(crate) fn write(figures: &Figures, out: &mut impl Write) -> Result<()> {
    for ((cell, measure, system), value) in figures.medians() {
        let (measure, unit) = measure.names();
        let line = json!({
            "cell": cell, "measure": measure, "system": system, "value": value, "unit": unit,
        });
        writeln!(out, "{line}")?;
    }
    for target in TARGETS {
        let Some(verdict) = figures.verdict(target) else {
            continue;
        };
        let (measure, unit) = target.measure.names();
        let bound = match target.bound {
            Bound::Max => "max",
            Bound::Min => "min",
        };
        let line = json!({
            "cell": target.cell, "measure": measure, "system": target.system,
            "value": verdict.value, "unit": unit,
            "relative_to": target.relative_to.map(|(system, _)| system),
            "ratio": verdict.ratio, "bound": bound, "target": target.target,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
