//! What every service answers about itself: `Debug.Health` and `Debug.Stats`.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    context::Context,
    error::{Error, Result},
    server::{Handler, Router, ops::Refusals, stats::EndpointStats},
    time::{self, Nanos},
};

/// Tells how old what is known of other services is, by name.
type Ages = Box<dyn Fn() -> Vec<(String, Duration)> + Send + Sync>;

/// Where a service stands in its life.
pub(crate) struct Status {
    began: Nanos,
    /// Seconds of Unix time.
    started: u64,
    leaving: AtomicBool,
    /// Why the last registration failed, in a word: the error itself is for the log alone.
    unregistered: Mutex<Option<String>>,
    ages: OnceLock<Ages>,
}

impl Status {
    pub(crate) fn new() -> Self {
        Status {
            began: time::now(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            leaving: AtomicBool::new(false),
            unregistered: Mutex::new(Some("starting".to_owned())),
            ages: OnceLock::new(),
        }
    }

    /// How to learn of the age of what is known of other services; the first way counts.
    pub(crate) fn discovers(
        &self,
        ages: impl Fn() -> Vec<(String, Duration)> + Send + Sync + 'static,
    ) {
        let _ = self.ages.set(Box::new(ages));
    }

    /// Notes how the last registration went.
    pub(crate) fn registered(&self, registered: Result<()>) {
        let word = |error: Error| match error.reason() {
            Some(reason) => reason.to_ascii_lowercase(),
            None => error.code().as_str().to_owned(),
        };
        *self.unregistered.lock() = registered.err().map(word);
    }

    /// Not ready any more: it is about to end.
    pub(crate) fn leaving(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Whether it wants requests.
    pub(crate) fn is_ready(&self) -> bool {
        !self.leaving.load(Relaxed)
    }

    fn health(&self) -> Value {
        let unregistered = self.unregistered.lock().clone();
        json!({
            "status": "ok",
            "ready": self.is_ready(),
            "registered": unregistered.is_none(),
            "reason": unregistered,
        })
    }
}

type Endpoints = Vec<(Arc<str>, Arc<EndpointStats>)>;

/// The endpoints. Names of fields are go-micro's where it has them.
pub(super) fn routes(status: Arc<Status>, endpoints: Endpoints, refusals: Arc<Refusals>) -> Router {
    let of_health = status.clone();
    let health = move |_: Context, _: Value| {
        let health = of_health.health();
        async move { Ok(health) }
    };
    let stats = move |_: Context, _: Value| {
        let stats = stats(&status, &endpoints, &refusals);
        async move { Ok(stats) }
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
    let ages = status.ages.get().map(|ages| ages()).unwrap_or_default();
    let ages = ages
        .into_iter()
        .map(|(service, age)| json!({"service": service, "age_seconds": age.as_secs_f64()}));
    let sum = |of: fn(&EndpointStats) -> u64| endpoints.iter().map(|(_, s)| of(s)).sum::<u64>();
    json!({
        "timestamp": status.started + (time::now() - status.began) / 1_000_000_000,
        "started": status.started,
        "uptime": (time::now() - status.began) / 1_000_000_000,
        "memory": memory(),
        "threads": std::thread::available_parallelism().map_or(1, usize::from),
        "requests": sum(EndpointStats::executed),
        "errors": sum(EndpointStats::failed),
        "registered": status.unregistered.lock().is_none(),
        "refused": refusals.all().map(|(name, count)| (name.to_owned(), json!(count))).collect::<Value>(),
        "discovery": ages.collect::<Vec<_>>(),
        "endpoints": rows.collect::<Vec<_>>(),
    })
}

/// Resident memory in bytes; 0 where the system does not say.
fn memory() -> u64 {
    let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
