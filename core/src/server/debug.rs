//! What every service reports of itself: `Debug.Health`, `Debug.Stats` and, for `/metrics`, `Debug.Metrics`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    context::Context,
    error::Error,
    server::{Handler, Router, ops::Refusals, stats::EndpointStats, status::Status},
    time,
};

/// The parameter of `Debug.Health` that asks for the results of the last health checks, without new ones.
pub(crate) const LAST_CHECKS: &str = "last_checks";

type Endpoints = Vec<(Arc<str>, Arc<EndpointStats>)>;

/// The endpoints. Names of fields are go-micro's where it has them.
pub(super) fn routes(status: Arc<Status>, endpoints: Endpoints, refusals: Arc<Refusals>) -> Router {
    let of_health = status.clone();
    let health = move |_: Context, parameters: Value| {
        let status = of_health.clone();
        async move {
            if parameters[LAST_CHECKS] != true {
                status.checks().refresh().await;
            }
            Ok::<_, Error>(status.health())
        }
    };
    let router = Router::new().handle("Debug.Health", health.idempotent());
    #[cfg(feature = "http")]
    let router = {
        let (status, endpoints, refusals) = (status.clone(), endpoints.clone(), refusals.clone());
        let metrics = move |_: Context, parameters: Value| {
            let text = metrics(&status, &endpoints, &refusals, &parameters);
            async move { text.map(Value::from) }
        };
        router.handle(crate::call::METRICS, metrics.idempotent())
    };
    let stats = move |_: Context, _: Value| {
        let stats = stats(&status, &endpoints, &refusals);
        async move { Ok::<_, Error>(stats) }
    };
    router.handle("Debug.Stats", stats.idempotent())
}

/// The text of `/metrics`, in the format of OpenMetrics if `openmetrics` is true.
#[cfg(feature = "http")]
fn metrics(
    status: &Status,
    endpoints: &Endpoints,
    refusals: &Refusals,
    parameters: &Value,
) -> crate::Result<String> {
    use crate::server::exposition::{Format, Snapshot};
    let format = match parameters["openmetrics"] == true {
        true => Format::OpenMetrics,
        false => Format::Prometheus,
    };
    let snapshot = Snapshot::new(status, endpoints, refusals, process(), format);
    snapshot.encode().map_err(|error| {
        crate::Error::internal("the metrics could not be written").with_source(error)
    })
}

fn stats(status: &Status, endpoints: &Endpoints, refusals: &Refusals) -> Value {
    let rows = endpoints.iter().map(|(name, stats)| {
        json!({
            "name": &**name,
            "executed": stats.executed(),
            "failed": stats.failed(),
            "in_flight": stats.in_flight(),
            "p50_us": stats.latency_us(0.5),
            "p99_us": stats.latency_us(0.99),
            "p999_us": stats.latency_us(0.999),
        })
    });
    let ages = status
        .ages()
        .into_iter()
        .map(|(service, age)| json!({"service": service, "age_seconds": age.as_secs_f64()}));
    let sum = |of: fn(&EndpointStats) -> u64| endpoints.iter().map(|(_, s)| of(s)).sum::<u64>();
    let mut report = json!({
        "timestamp": status.started + (time::now() - status.began) / 1_000_000_000,
        "started": status.started,
        "uptime": (time::now() - status.began) / 1_000_000_000,
        "requests": sum(EndpointStats::executed),
        "errors": sum(EndpointStats::failed),
        "registered": status.is_registered(),
        "refused": refusals.all().map(|(name, count)| (name.to_owned(), json!(count))).collect::<Value>(),
        "discovery": ages.collect::<Vec<_>>(),
        "endpoints": rows.collect::<Vec<_>>(),
    });
    for (name, value) in status.counters().into_iter().chain(process()) {
        report[name] = value.into();
    }
    report
}

/// Resident memory of this process in bytes, and its threads, where the system reports them.
fn process() -> Vec<(&'static str, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let memory = field("VmRSS:").map(|kilobytes| ("memory", kilobytes * 1024));
    let threads = field("Threads:").map(|threads| ("threads", threads));
    memory.into_iter().chain(threads).collect()
}
