//! Figures by cell, measure and system, over the rounds.

use crate::{
    measure::Measure,
    process::Sample,
    targets::{Bound, TARGETS, Target},
};
use std::collections::BTreeMap;

/// Cell, measure, system.
pub(crate) type Key = (String, Measure, String);

/// All figures of a run by round.
#[derive(Default)]
pub(crate) struct Figures {
    values: BTreeMap<Key, BTreeMap<usize, f64>>,
}

impl Figures {
    pub(crate) fn put(
        &mut self,
        round: usize,
        cell: &str,
        measure: Measure,
        system: &str,
        value: f64,
    ) {
        let key = (cell.to_owned(), measure, system.to_owned());
        self.values.entry(key).or_default().insert(round, value);
    }

    /// Adds all measures of a sample.
    pub(crate) fn put_sample(
        &mut self,
        round: usize,
        cell: &str,
        system: &str,
        sample: &Sample,
        stream: bool,
    ) {
        let calls = sample.calls as f64;
        let cpu_us = sample.client_us + sample.server_us;
        let mut put = |measure, value| self.put(round, cell, measure, system, value);
        put(Measure::CpuPerCall, cpu_us / calls);
        put(Measure::ClientCpuPerCall, sample.client_us / calls);
        put(Measure::ServerCpuPerCall, sample.server_us / calls);
        put(Measure::CallsPerSecond, calls / sample.seconds);
        if stream {
            put(Measure::CallsPerCpuSecond, calls / cpu_us * 1e6);
        } else {
            put(Measure::P50, sample.p50_us);
            put(Measure::P99, sample.p99_us);
        }
    }

    /// Every figure, as the median over the rounds.
    pub(crate) fn medians(&self) -> impl Iterator<Item = (&Key, f64)> {
        self.values
            .iter()
            .filter_map(|(key, rounds)| Some((key, median(rounds.values().copied())?)))
    }

    /// The targets that were measured and missed.
    pub(crate) fn missed(&self) -> Vec<&'static Target> {
        let missed = |target: &&Target| self.verdict(target).is_some_and(|verdict| !verdict.met);
        TARGETS.iter().filter(missed).collect()
    }

    /// The verdict on `target`; `None` if its systems were not measured.
    pub(crate) fn verdict(&self, target: &Target) -> Option<Verdict> {
        let of = |cell: &str, system: &str| {
            self.values
                .get(&(cell.to_owned(), target.measure, system.to_owned()))
        };
        let values = of(target.cell, target.system)?;
        let value = median(values.values().copied())?;
        let ratio = match target.relative_to {
            None => value,
            Some((system, cell)) => {
                let base = of(cell, system)?;
                // Within a round, so that changes of the machine between rounds cancel out.
                let ratios = values
                    .iter()
                    .filter_map(|(round, value)| Some(value / base.get(round)?));
                median(ratios)?
            }
        };
        let met = match target.bound {
            Bound::Max => ratio <= target.target,
            Bound::Min => ratio >= target.target,
        };
        Some(Verdict { value, ratio, met })
    }
}

/// A target and its figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) value: f64,
    /// The median of the rounds' ratios, or of the values if the target is absolute.
    pub(crate) ratio: f64,
    pub(crate) met: bool,
}

/// The median.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bound: Bound) -> Target {
        Target {
            cell: "2t",
            measure: Measure::CpuPerCall,
            system: "ours",
            relative_to: Some(("floor", "1t")),
            bound,
            target: 1.5,
        }
    }

    #[test]
    fn ratio_is_the_median_of_the_rounds_ratios() {
        let mut figures = Figures::default();
        for (round, (ours, floor)) in [(10.0, 1.0), (3.0, 2.0), (4.0, 4.0)]
            .into_iter()
            .enumerate()
        {
            figures.put(round, "2t", Measure::CpuPerCall, "ours", ours);
            figures.put(round, "1t", Measure::CpuPerCall, "floor", floor);
        }
        let verdict = figures
            .verdict(&target(Bound::Max))
            .expect("both were measured");
        // The ratio of the medians would be 2.
        assert_eq!(
            (verdict.value, verdict.ratio, verdict.met),
            (4.0, 1.5, true)
        );
    }

    #[test]
    fn target_without_its_base_has_no_verdict() {
        let mut figures = Figures::default();
        figures.put(0, "2t", Measure::CpuPerCall, "ours", 1.0);
        assert_eq!(figures.verdict(&target(Bound::Max)), None);
        figures.put(0, "1t", Measure::CpuPerCall, "floor", 1.0);
        let missed = figures
            .verdict(&target(Bound::Min))
            .expect("both were measured");
        assert!(!missed.met);
    }

    #[test]
    fn measured_target_out_of_bounds_is_missed() {
        let mut figures = Figures::default();
        assert!(figures.missed().is_empty(), "what was not measured");
        figures.put(0, "packages", Measure::Packages, "micro", 1.0);
        assert!(figures.missed().is_empty());
        figures.put(0, "packages", Measure::Packages, "micro", 1e6);
        assert_eq!(figures.missed().len(), 1);
    }
}
