//! The text of `/metrics`, in the formats of OpenMetrics and Prometheus.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

use crate::{
    error::{Code, Result},
    server::{
        metrics::{Kind, Labels, Metrics, Series},
        ops::Refusals,
        stats::{BOUNDS, EndpointStats},
        status::Status,
    },
    time,
};

/// Services with an age of their own; the oldest of the others stands for them.
const MAX_SERVICES: usize = 1000;

/// What the conventions call the framework: an endpoint is called by any of its protocols.
const SYSTEM: &str = "micro";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

/// The metrics of a service at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    families: Vec<Family>,
    format: Format,
}

#[derive(Debug)]
struct Family {
    /// Without unit and the suffix of its kind.
    name: String,
    help: String,
    unit: Option<Unit>,
    kind: MetricType,
    series: Vec<(Labels, Value)>,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    /// With the counts of buckets, each by its upper bound.
    Histogram(f64, Vec<(f64, u64)>),
    /// A series whose labels alone are of interest.
    Info,
}

impl Snapshot {
    /// Reads all counters. Those of the user follow those of the service.
    pub(super) fn new(
        status: &Status,
        endpoints: &[(Arc<str>, Arc<EndpointStats>)],
        refusals: &Refusals,
        process: Vec<(&'static str, u64)>,
        format: Format,
    ) -> Self {
        let mut snapshot = Snapshot {
            families: Vec::new(),
            format,
        };
        snapshot.add_service(status);
        snapshot.add_endpoints(endpoints);
        let refused = refusals.all();
        let refused = refused.map(|(reason, count)| (labels([("reason", reason)]), count));
        snapshot.counters(
            "micro_requests_refused",
            "Requests refused before they reached an endpoint.",
            refused,
        );
        snapshot.add_discovery(status);
        let mut counters = status.counters();
        counters.extend(process);
        snapshot.add_counters(&counters);
        if let Some(metrics) = status.metrics() {
            snapshot.add_user(metrics);
        }
        snapshot
    }

    /// Writes the text.
    pub(super) fn encode(self) -> Result<String, fmt::Error> {
        let format = self.format;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut written = String::new();
        match format {
            Format::OpenMetrics => text::encode(&mut written, &registry)?,
            Format::Prometheus => prometheus_text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }

    fn family(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        kind: MetricType,
        series: Vec<(Labels, Value)>,
    ) {
        self.families.push(Family {
            name: name.to_owned(),
            help: help.to_owned(),
            unit,
            kind,
            series,
        });
    }

    fn counters(&mut self, name: &str, help: &str, series: impl Iterator<Item = (Labels, u64)>) {
        let series = series.map(|(labels, count)| (labels, Value::Counter(count)));
        self.family(name, None, help, MetricType::Counter, series.collect());
    }

    fn gauge(&mut self, name: &str, unit: Option<Unit>, help: &str, value: f64) {
        let series = vec![(Labels::new(), Value::Gauge(value))];
        self.family(name, unit, help, MetricType::Gauge, series);
    }

    fn add_service(&mut self, status: &Status) {
        if let Some((service, node)) = status.identity() {
            let names = [("service_name", &**service), ("service_instance_id", node)];
            let series = vec![(labels(names), Value::Info)];
            let help = "The service and its node.";
            self.family("target", None, help, MetricType::Info, series);
        }
        self.gauge(
            "micro_uptime",
            Some(Unit::Seconds),
            "Time since the service began.",
            ((time::now() - status.began) / 1_000_000_000) as f64,
        );
        self.gauge(
            "micro_registered",
            None,
            "Whether the service is in its registry.",
            f64::from(u8::from(status.is_registered())),
        );
        self.gauge(
            "micro_ready",
            None,
            "Whether the service takes calls: it does not leave, and no health check failed.",
            f64::from(u8::from(status.is_ready())),
        );
        let checks = status.checks().results().into_iter();
        let checks = checks.map(|(name, result)| {
            let passed = f64::from(u8::from(result.is_none_or(|result| result.is_ok())));
            (labels([("check", &name)]), Value::Gauge(passed))
        });
        self.family(
            "micro_health_check",
            None,
            "Whether a health check passed when it last ran.",
            MetricType::Gauge,
            checks.collect(),
        );
        self.gauge(
            "process_start_time",
            Some(Unit::Seconds),
            "When the service began, in Unix time.",
            status.started as f64,
        );
    }

    fn add_endpoints(&mut self, endpoints: &[(Arc<str>, Arc<EndpointStats>)]) {
        let results = endpoints.iter().flat_map(|(name, stats)| {
            let failed = stats.failed();
            let succeeded = stats.executed().saturating_sub(failed);
            [("ok", succeeded), ("error", failed)]
                .map(|(result, count)| (labels([("endpoint", name), ("result", result)]), count))
        });
        self.counters("micro_requests", "Requests answered.", results);
        let in_flight = endpoints.iter().map(|(name, stats)| {
            let value = Value::Gauge(stats.in_flight() as f64);
            (labels([("endpoint", name)]), value)
        });
        self.family(
            "micro_requests_in_flight",
            None,
            "Requests that did not end at their first poll and have not ended yet.",
            MetricType::Gauge,
            in_flight.collect(),
        );
        let durations = endpoints.iter().flat_map(|(name, stats)| {
            stats.latencies().into_iter().map(|(failure, latencies)| {
                let bounds = BOUNDS.into_iter().map(|nanos| nanos as f64 / 1e9);
                let bounds = bounds.chain([f64::INFINITY]);
                let buckets = bounds.zip(latencies.counts).collect();
                let sum = latencies.sum as f64 / 1e9;
                (
                    duration_labels(name, failure),
                    Value::Histogram(sum, buckets),
                )
            })
        });
        self.family(
            "rpc_server_call_duration",
            Some(Unit::Seconds),
            "Duration of incoming calls. Of calls read from a connection at once, every eighth is timed \
             and stands for those before it.",
            MetricType::Histogram,
            durations.collect(),
        );
    }

    fn add_discovery(&mut self, status: &Status) {
        let mut ages = status.ages();
        ages.sort();
        let others = ages.split_off(ages.len().min(MAX_SERVICES)).into_iter();
        let oldest = others.map(|(_, age)| age).max();
        ages.extend(oldest.map(|age| ("_OTHER".to_owned(), age)));
        let ages = ages.into_iter().map(|(service, age)| {
            let value = Value::Gauge(age.as_secs_f64());
            (labels([("service", &service)]), value)
        });
        self.family(
            "micro_discovery_age",
            Some(Unit::Seconds),
            "For how long the known nodes of a service may have been out of date.",
            MetricType::Gauge,
            ages.collect(),
        );
    }

    /// Adds what the system and the listener count, where they do.
    fn add_counters(&mut self, counters: &[(&'static str, u64)]) {
        let find = |name| {
            let found = counters.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        };
        for (field, name, help) in [
            (
                "memory",
                "process_resident_memory",
                "Resident memory of the process.",
            ),
            (
                "buffered_bytes",
                "micro_buffered",
                "Bytes held of bodies, streams and answers.",
            ),
        ] {
            if let Some(value) = find(field) {
                self.gauge(name, Some(Unit::Bytes), help, value as f64);
            }
        }
        for (field, name, help) in [
            (
                "connections_refused",
                "micro_connections_refused",
                "Connections closed because there were too many.",
            ),
            (
                "accept_errors",
                "micro_accept_errors",
                "Connections that could not be accepted.",
            ),
        ] {
            if let Some(value) = find(field) {
                self.counters(name, help, std::iter::once((Labels::new(), value)));
            }
        }
    }

    fn add_user(&mut self, metrics: &Metrics) {
        metrics.visit(|name, unit, help, kind, series| {
            let kind = match kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            // The encoder adds the unit.
            let short = name
                .strip_suffix(unit)
                .and_then(|name| name.strip_suffix('_'));
            let (name, unit) = match short {
                Some(short) if !unit.is_empty() && !short.is_empty() => {
                    (short, Some(Unit::Other(unit.to_owned())))
                }
                _ => (name, None),
            };
            let series = series.iter().map(|(labels, series)| {
                let value = match series {
                    Series::Counter(counter) => Value::Counter(counter.value()),
                    Series::Gauge(gauge) => Value::Gauge(gauge.value()),
                    Series::Histogram(histogram) => {
                        Value::Histogram(histogram.sum(), histogram.buckets())
                    }
                };
                (labels.clone(), value)
            });
            self.family(name, unit, help, kind, series.collect());
        });
    }
}

fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    labels.into()
}

/// The attributes of OpenTelemetry's RPC conventions.
fn duration_labels(endpoint: &str, failure: Option<Code>) -> Labels {
    let code = failure.map_or_else(
        || "OK".to_owned(),
        |code| code.as_str().to_ascii_uppercase(),
    );
    let mut labels = labels([
        ("rpc_system_name", SYSTEM),
        ("rpc_method", endpoint),
        ("rpc_response_status_code", &code),
    ]);
    if failure.is_some() {
        labels.push(("error_type".to_owned(), code));
    }
    labels
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.families {
            // An info or a gauge without series would be a family without samples.
            if family.series.is_empty() {
                continue;
            }
            let help = help(&family.help, self.format);
            let (name, unit, kind) = (&family.name, family.unit.as_ref(), family.kind);
            let mut encoder = encoder.encode_descriptor(name, &help, unit, kind)?;
            for (labels, value) in &family.series {
                match value {
                    Value::Info => encoder.encode_info(labels)?,
                    // Braces without labels would be no error, and no beauty.
                    value if labels.is_empty() => encode_value(&mut encoder, value)?,
                    value => encode_value(&mut encoder.encode_family(labels)?, value)?,
                }
            }
        }
        Ok(())
    }
}

fn encode_value(encoder: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Counter(count) => encoder.encode_counter(count, None::<&Exemplar<NoLabelSet, f64>>),
        // Shorter, as most gauges are numbers of things.
        Value::Gauge(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
            encoder.encode_gauge(&(*value as i64))
        }
        Value::Gauge(value) => encoder.encode_gauge(value),
        Value::Histogram(sum, buckets) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
        Value::Info => Ok(()),
    }
}

/// Help on one line. The encoder escapes it for Prometheus only.
fn help(help: &str, format: Format) -> String {
    let help: String = help
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match format {
        Format::OpenMetrics => help.replace('\\', "\\\\").replace('"', "\\\""),
        Format::Prometheus => help,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        error::Error,
        server::{HealthChecks, stats::Timing},
    };

    fn written(format: Format) -> String {
        let mut snapshot = Snapshot {
            families: Vec::new(),
            format,
        };
        let hello = EndpointStats::default();
        for micros in [80, 100, 101, 7_000, 60_000_000] {
            hello.record(Timing::Exact(micros * 1000), None);
        }
        hello.record(Timing::Exact(1_500_000), Some(Code::NotFound));
        snapshot.add_endpoints(&[("Greeter.Hello".into(), Arc::new(hello))]);
        snapshot.gauge("micro_uptime", Some(Unit::Seconds), "Time.", 12.0);
        snapshot.add_counters(&[("memory", 4096), ("accept_errors", 2)]);

        let metrics = Metrics::new();
        let orders = metrics.counter("shop_orders", "Orders \"taken\"\nin C:\\shop.");
        let orders = orders.label("kind", "ü \"new\"\\\n").register().unwrap();
        orders.add(3);
        let size = metrics.histogram("shop_size", "Size.").unit("bytes");
        let size = size.bounds(&[1.0, 1000.0]).register().unwrap();
        size.record(10.5);
        let level = metrics.gauge("shop_level", "Level.").register().unwrap();
        level.set(-0.25);
        snapshot.add_user(&metrics);
        snapshot.encode().unwrap()
    }

    #[test]
    fn text_is_openmetrics() {
        assert_eq!(
            written(Format::OpenMetrics),
            include_str!("exposition/openmetrics.txt")
        );
    }

    #[test]
    fn text_is_prometheus() {
        assert_eq!(
            written(Format::Prometheus),
            include_str!("exposition/prometheus.txt")
        );
    }

    #[test]
    fn services_beyond_the_limit_share_one_series() {
        let status = Status::new();
        let age = |number| (format!("service{number:05}"), Duration::from_secs(number));
        status.discovers(move || (0..1500).map(age).collect());
        let mut snapshot = Snapshot {
            families: Vec::new(),
            format: Format::Prometheus,
        };
        snapshot.add_discovery(&status);
        let text = snapshot.encode().unwrap();
        let ages: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(ages.len(), 1001);
        assert_eq!(
            ages[1000],
            "micro_discovery_age_seconds{service=\"_OTHER\"} 1499"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn service_that_fails_a_check_is_not_ready_in_its_metrics() {
        let status = Status::new();
        status.identify("shop", "shop-1");
        let mut checks = HealthChecks::default();
        checks.push("database".into(), async || Err(Error::unavailable("gone")));
        checks.push("cache".into(), async || Ok(()));
        status.check(checks);
        status.checks().refresh().await;
        let mut snapshot = Snapshot {
            families: Vec::new(),
            format: Format::OpenMetrics,
        };
        snapshot.add_service(&status);
        let text = snapshot.encode().unwrap();
        for line in [
            "target_info{service_name=\"shop\",service_instance_id=\"shop-1\"} 1",
            "micro_ready 0",
            "micro_health_check{check=\"database\"} 0",
            "micro_health_check{check=\"cache\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
    }
}
