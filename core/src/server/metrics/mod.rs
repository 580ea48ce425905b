//! Metrics of the user: counters, gauges and histograms on `/metrics`, beside those of the service itself.
//!
//! ```
//! use micro::{Context, Result, Service, metrics::Metrics};
//!
//! let metrics = Metrics::new();
//! let orders = metrics.counter("shop_orders", "Orders taken.").label("kind", "book").register()?;
//! let service = Service::new("shop")
//!     .metrics(&metrics)
//!     .handle("Shop.Order", move |_: Context, ()| {
//!         orders.increment();
//!         async { Result::Ok(()) }
//!     });
//! # Result::Ok(())
//! ```

mod family;
mod handles;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    marker::PhantomData,
    sync::Arc,
};

use parking_lot::Mutex;

use crate::error::{Error, Result};
pub(super) use family::Labels;
use family::{Family, sample_names};
use handles::Handle;
pub(super) use handles::Kind;
#[cfg(feature = "http")]
pub(super) use handles::Series;
pub use handles::{Counter, Gauge, Histogram};

/// Families of metrics that one `Metrics` takes.
const MAX_FAMILIES: usize = 1000;

/// Prefixes of the names of what the service itself reports.
const RESERVED: [&str; 4] = ["micro_", "rpc_server_", "process_", "target_"];

/// A set of metrics, which [`Service::metrics`](https://docs.rs/micro-rs) adds to `/metrics`; clones share it.
///
/// It has at most 1,000 names, and 2,000 series for each name: more label values are counted together, in one
/// series with the label `otel_metric_overflow="true"`.
#[derive(Clone, Default)]
pub struct Metrics {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.families.lock().keys()).finish()
    }
}

#[cfg(feature = "http")]
impl Metrics {
    /// Calls `visit` with the name, unit, help and kind of each metric, and its series.
    pub(super) fn visit(
        &self,
        mut visit: impl FnMut(&str, &str, &str, Kind, &BTreeMap<Labels, Series>),
    ) {
        for (name, family) in &*self.families.lock() {
            visit(
                name,
                &family.unit,
                &family.help,
                family.kind(),
                &family.series,
            );
        }
    }
}

impl Metrics {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Describes a number that only grows. `/metrics` adds `_total` to the name.
    pub fn counter(&self, name: &str, help: &str) -> Registration<'_, Counter> {
        Registration::new(self, name, help)
    }

    /// Describes a number that rises and falls.
    pub fn gauge(&self, name: &str, help: &str) -> Registration<'_, Gauge> {
        Registration::new(self, name, help)
    }

    /// Describes a distribution of values, counted by buckets.
    pub fn histogram(&self, name: &str, help: &str) -> Registration<'_, Histogram> {
        Registration::new(self, name, help)
    }
}

/// A metric that [`Registration::register`] adds to its [`Metrics`].
#[must_use = "a metric is registered by `register`"]
pub struct Registration<'a, T> {
    metrics: &'a Metrics,
    name: String,
    help: String,
    unit: String,
    labels: Labels,
    bounds: Option<Vec<f64>>,
    kind: PhantomData<T>,
}

impl<'a, T> Registration<'a, T> {
    fn new(metrics: &'a Metrics, name: &str, help: &str) -> Self {
        Registration {
            metrics,
            name: name.to_owned(),
            help: help.to_owned(),
            unit: String::new(),
            labels: Labels::new(),
            bounds: None,
            kind: PhantomData,
        }
    }

    /// Sets the unit, such as `seconds` or `bytes`, which `/metrics` adds to the name.
    pub fn unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.unit);
        self
    }

    /// Adds a label. The value may be any text; each different one is a series, which lasts as long as the
    /// [`Metrics`].
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Registration<'_, Histogram> {
    /// Sets the upper bounds of the buckets, in rising order. Default: those that OpenTelemetry recommends, from 0.005
    /// to 10 for the unit `seconds`, and else from 0 to 10,000.
    pub fn bounds(mut self, bounds: &[f64]) -> Self {
        self.bounds = Some(bounds.to_vec());
        self
    }
}

impl<T: Handle> Registration<'_, T> {
    /// Registers the metric, or finds the one registered before with the same name and labels.
    ///
    /// Keep the handle: to find it takes a lock.
    ///
    /// # Errors
    /// - `InvalidArgument` for a name, unit or label that Prometheus does not take, or that the service itself uses;
    ///   for bounds that do not rise.
    /// - `AlreadyExists` if the name is registered as another kind, unit or bounds, or samples of the two would have
    ///   the same name.
    /// - `ResourceExhausted` beyond 1,000 names.
    pub fn register(mut self) -> Result<T> {
        let name = self.full_name()?;
        self.check_labels()?;
        let bounds = handles::bounds(self.bounds.take(), &self.unit)
            .map_err(|text| Error::invalid_argument(format!("metric `{name}`: {text}")))?;
        let mut families = self.metrics.families.lock();
        let full = families.len() >= MAX_FAMILIES;
        if !families.contains_key(&name) {
            self.check_samples(&name, &families)?;
        }
        let family = match families.entry(name) {
            Entry::Occupied(entry) => {
                let (name, family) = (entry.key().clone(), entry.into_mut());
                if !family.is(T::KIND, &self.unit, &bounds) {
                    return Err(Error::already_exists(format!(
                        "metric `{name}` is registered as another kind, or with another unit or bounds"
                    )));
                }
                family
            }
            Entry::Vacant(_) if full => {
                return Err(Error::resource_exhausted(format!(
                    "{MAX_FAMILIES} metrics are registered, which is the limit"
                )));
            }
            Entry::Vacant(entry) => {
                entry.insert(Family::new(T::KIND, &self.help, &self.unit, bounds))
            }
        };
        T::of(family.series(std::mem::take(&mut self.labels)))
            .ok_or_else(|| Error::internal("a series is of another kind than its family"))
    }

    /// The name with the unit and without `_total`, which the encoder adds.
    fn full_name(&self) -> Result<String> {
        let invalid = |text: &str| {
            let name = self.name.escape_debug();
            Err(Error::invalid_argument(format!("metric `{name}` {text}")))
        };
        if !is_name(&self.name) {
            return invalid("is no name: use letters, digits and `_`, with no digit first");
        }
        if !self.unit.is_empty() && !is_name(&self.unit) {
            return invalid("has a unit that is no name: use letters, digits and `_`");
        }
        if RESERVED.iter().any(|prefix| self.name.starts_with(prefix)) {
            return invalid("begins as the metrics of the service itself do");
        }
        let name = match T::KIND {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(&self.name),
            _ => &self.name,
        };
        let suffix = format!("_{}", self.unit);
        Ok(match self.unit.is_empty() || name.ends_with(&suffix) {
            true => name.to_owned(),
            false => name.to_owned() + &suffix,
        })
    }

    fn check_labels(&mut self) -> Result<()> {
        self.labels.sort();
        let mut last = "";
        for (label, _) in &self.labels {
            let text = match &**label {
                "le" | "otel_metric_overflow" => "is used by the metric itself",
                label if label == last => "is given twice",
                label if label.starts_with("__") => "begins with `__`, which Prometheus reserves",
                label if !is_name(label) => "is no name: use letters, digits and `_`",
                label => {
                    last = label;
                    continue;
                }
            };
            return Err(Error::invalid_argument(format!(
                "metric `{}`: label `{}` {text}",
                self.name.escape_debug(),
                label.escape_debug()
            )));
        }
        Ok(())
    }

    /// Refuses a name whose samples would have the names of another metric's.
    fn check_samples(&self, name: &str, families: &BTreeMap<String, Family>) -> Result<()> {
        let own = sample_names(name, T::KIND);
        for (other, family) in families {
            let others = sample_names(other, family.kind());
            if let Some(sample) = own.iter().find(|sample| others.contains(sample)) {
                return Err(Error::already_exists(format!(
                    "metrics `{name}` and `{other}` would both have samples named `{sample}`"
                )));
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_plain) && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::error::Code;

    fn code<T>(result: Result<T>) -> Code {
        result.err().unwrap().code()
    }

    #[test]
    fn metrics_with_wrong_names_are_refused() {
        let metrics = Metrics::new();
        for name in [
            "",
            "1st",
            "a-b",
            "a b",
            "ü",
            "micro_own",
            "rpc_server_calls",
        ] {
            let error = metrics.gauge(name, "").register().unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{name}");
        }
        assert_eq!(
            code(metrics.gauge("a", "").unit("m/s").register()),
            Code::InvalidArgument
        );
        for label in ["", "le", "__name", "a-b"] {
            let registered = metrics.gauge("a", "").label(label, "x").register();
            assert_eq!(code(registered), Code::InvalidArgument, "{label}");
        }
        let twice = metrics.gauge("a", "").label("x", "1").label("x", "2");
        assert_eq!(code(twice.register()), Code::InvalidArgument);
    }

    #[test]
    fn same_name_and_labels_give_the_same_series() {
        let metrics = Metrics::new();
        let book = |metrics: &Metrics| {
            let counter = metrics.counter("orders", "").label("kind", "book");
            counter.label("by", "x").register().unwrap()
        };
        book(&metrics).add(2);
        let other = metrics.counter("orders_total", "").label("by", "x");
        other.label("kind", "book").register().unwrap().increment();
        assert_eq!(book(&metrics).value(), 3);
        assert_eq!(metrics.counter("orders", "").register().unwrap().value(), 0);
    }

    #[test]
    fn metrics_that_clash_are_refused() {
        let metrics = Metrics::new();
        metrics.counter("a", "").register().unwrap();
        metrics.histogram("b", "").register().unwrap();
        assert_eq!(code(metrics.gauge("a", "").register()), Code::AlreadyExists);
        for name in ["a_total", "b_sum", "b"] {
            let registered = metrics.gauge(name, "").register();
            assert_eq!(code(registered), Code::AlreadyExists, "{name}");
        }
        metrics.gauge("a", "").unit("bytes").register().unwrap();
        let same = metrics.gauge("a_bytes", "").unit("seconds").register();
        assert_eq!(same.unwrap().value(), 0.0);
        let other = metrics.histogram("b", "").bounds(&[1.0]).register();
        assert_eq!(code(other), Code::AlreadyExists);
        for wrong in [&[2.0, 1.0][..], &[1.0, 1.0], &[f64::NAN], &[f64::INFINITY]] {
            let registered = metrics.histogram("c", "").bounds(wrong).register();
            assert_eq!(code(registered), Code::InvalidArgument, "{wrong:?}");
        }
    }

    #[test]
    fn label_values_beyond_the_limit_share_one_series() {
        let metrics = Metrics::new();
        let of = |user: usize| {
            let counter = metrics
                .counter("logins", "")
                .label("user", &user.to_string());
            counter.register().unwrap()
        };
        for user in 0..3000 {
            of(user).increment();
        }
        assert_eq!(of(7).value(), 1);
        assert_eq!(of(5000).value(), 3000 - 1999);
    }

    #[test]
    fn names_beyond_the_limit_are_refused() {
        let metrics = Metrics::new();
        for number in 0..MAX_FAMILIES {
            metrics.gauge(&format!("m{number}"), "").register().unwrap();
        }
        assert_eq!(
            code(metrics.gauge("more", "").register()),
            Code::ResourceExhausted
        );
        metrics.gauge("m7", "").register().unwrap();
    }
}
