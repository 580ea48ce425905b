//! What every service answers about itself: `Debug.Health` and `Debug.Stats`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    context::Context,
    error::Error,
    server::{Handler, Router, ops::Refusals, stats::EndpointStats, status::Status},
    time,
};

type Endpoints = Vec<(Arc<str>, Arc<EndpointStats>)>;

/// The endpoints. Names of fields are go-micro's where it has them.
pub(super) fn routes(status: Arc<Status>, endpoints: Endpoints, refusals: Arc<Refusals>) -> Router {
    let of_health = status.clone();
    let health = move |_: Context, _: Value| {
        let health = of_health.health();
        async move { Ok::<_, Error>(health) }
    };
    let stats = move |_: Context, _: Value| {
        let stats = stats(&status, &endpoints, &refusals);
        async move { Ok::<_, Error>(stats) }
    };
    Router::new()
        .handle("Debug.Health", health.idempotent())
        .handle("Debug.Stats", stats.idempotent())
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
    let mut told = json!({
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
        told[name] = value.into();
    }
    told
}

/// What the system says of this process: resident memory in bytes, and threads. Nothing where it does not say.
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
