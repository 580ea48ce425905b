//! The figures by cell, then the targets with their verdicts.

use super::short;
use crate::{
    figures::Figures,
    measure::Measure,
    targets::{Bound, TARGETS},
};
use anyhow::Result;
use std::{collections::BTreeMap, io::Write};

/// Columns of the table; the rest is listed below it.
const COLUMNS: &[(Measure, &str)] = &[
    (Measure::CpuPerCall, "cpu us"),
    (Measure::ClientCpuPerCall, "client us"),
    (Measure::ServerCpuPerCall, "server us"),
    (Measure::P50, "p50 us"),
    (Measure::P99, "p99 us"),
    (Measure::CallsPerSecond, "calls/s"),
    (Measure::CallsPerCpuSecond, "calls/cpu s"),
];

pub(crate) fn write(figures: &Figures, out: &mut impl Write) -> Result<()> {
    let mut rows: BTreeMap<(&str, &str), BTreeMap<Measure, f64>> = BTreeMap::new();
    for ((cell, measure, system), value) in figures.medians() {
        rows.entry((cell, system))
            .or_default()
            .insert(*measure, value);
    }
    write!(out, "{:<12} {:<14}", "cell", "system")?;
    for (_, title) in COLUMNS {
        write!(out, " {title:>11}")?;
    }
    writeln!(out)?;
    for ((cell, system), row) in &rows {
        if !row.contains_key(&Measure::CpuPerCall) {
            continue;
        }
        write!(out, "{cell:<12} {system:<14}")?;
        for (measure, _) in COLUMNS {
            match row.get(measure) {
                Some(value) => write!(out, " {:>11}", short(*value))?,
                None => write!(out, " {:>11}", "-")?,
            }
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    for ((cell, measure, system), value) in figures.medians() {
        if !COLUMNS.iter().any(|(column, _)| column == measure) {
            let (name, unit) = measure.names();
            writeln!(
                out,
                "{cell:<12} {system:<14} {name:<14} {:>11} {unit}",
                short(value)
            )?;
        }
    }
    write_targets(figures, out)
}

fn write_targets(figures: &Figures, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\ntargets: the ratio is the median of the rounds' ratios"
    )?;
    for target in TARGETS {
        let (measure, unit) = target.measure.names();
        let sign = match target.bound {
            Bound::Max => "<=",
            Bound::Min => ">=",
        };
        let base = match target.relative_to {
            Some((system, cell)) => format!("x {system} {cell}"),
            None => unit.to_owned(),
        };
        let verdict = match figures.verdict(target) {
            None => "not measured".to_owned(),
            Some(verdict) if verdict.met => format!("{} met", short(verdict.ratio)),
            Some(verdict) => format!("{} MISSED", short(verdict.ratio)),
        };
        let (cell, system, bound) = (target.cell, target.system, short(target.target));
        writeln!(
            out,
            "{cell:<12} {system:<14} {measure:<24} {sign} {bound:<6} {base:<16} {verdict}"
        )?;
    }
    Ok(())
}
