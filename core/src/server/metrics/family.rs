//! The series of one name.

use std::collections::BTreeMap;

use super::handles::{Kind, Series};

/// Series of one name, the one for overflow included: OpenTelemetry's limit.
const MAX_SERIES: usize = 2000;

/// Names and values, sorted by name.
pub(in crate::server) type Labels = Vec<(String, String)>;

pub(super) struct Family {
    kind: Kind,
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "only the text of `/metrics` has it")
    )]
    pub(super) help: String,
    pub(super) unit: String,
    bounds: Vec<f64>,
    pub(super) series: BTreeMap<Labels, Series>,
}

impl Family {
    pub(super) fn new(kind: Kind, help: &str, unit: &str, bounds: Vec<f64>) -> Self {
        Family {
            kind,
            help: help.to_owned(),
            unit: unit.to_owned(),
            bounds,
            series: BTreeMap::new(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is(&self, kind: Kind, unit: &str, bounds: &[f64]) -> bool {
        let bounds_agree = kind != Kind::Histogram || self.bounds == bounds;
        self.kind == kind && self.unit == unit && bounds_agree
    }

    /// The series with these labels, or the one for overflow.
    pub(super) fn series(&mut self, labels: Labels) -> Series {
        let full = self.series.len() >= MAX_SERIES - 1;
        let labels = match full && !self.series.contains_key(&labels) {
            true => vec![("otel_metric_overflow".to_owned(), "true".to_owned())],
            false => labels,
        };
        let series = self.series.entry(labels);
        let series = series.or_insert_with(|| Series::new(self.kind, &self.bounds));
        series.clone()
    }
}

/// The names of all samples that a metric has in either format, and its own.
pub(super) fn sample_names(name: &str, kind: Kind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        Kind::Counter => &["", "_total", "_created"],
        Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
    };
    let names = suffixes.iter();
    names.map(|suffix| format!("{name}{suffix}")).collect()
}
