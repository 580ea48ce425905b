//! The state of a service, from which health and metrics are read.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{
    context::{Leaving, LeavingSignal},
    error::{Error, Result, details::reason},
    server::{
        health::{CheckFailure, CheckResult, HealthChecks},
        metrics::Metrics,
    },
    time::{self, Nanos},
};

/// Reads how old the known nodes of other services are, by service.
type DiscoveryAges = Box<dyn Fn() -> Vec<(String, Duration)> + Send + Sync>;

/// Reads counters by their names.
type Counters = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// The state of the node's record.
struct Registration {
    /// Why the last registration failed.
    failure: Option<String>,
    /// When the record expires unless it is renewed.
    lapses: Nanos,
    /// The other instance that has the same id.
    conflict: Option<String>,
}

impl Registration {
    /// Why the node is not registered; `None` if it is.
    fn failure(&self) -> Option<String> {
        let lapsed = || "the registration has lapsed: it was not renewed in time".to_owned();
        let failure = self.failure.clone();
        failure.or_else(|| (time::now() >= self.lapses).then(lapsed))
    }
}

/// The state of a service.
pub struct Status {
    pub(super) began: Nanos,
    /// Seconds of Unix time.
    pub(super) started: u64,
    leaving: LeavingSignal,
    /// The names of the service and of its node.
    identity: OnceLock<(String, String)>,
    registration: Mutex<Registration>,
    warnings: Mutex<Vec<String>>,
    ages: OnceLock<DiscoveryAges>,
    counters: OnceLock<Counters>,
    checks: OnceLock<HealthChecks>,
    metrics: OnceLock<Metrics>,
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

impl Status {
    /// The state of a service that starts.
    pub fn new() -> Self {
        Status {
            began: time::now(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            leaving: LeavingSignal::new(),
            identity: OnceLock::new(),
            warnings: Mutex::default(),
            registration: Mutex::new(Registration {
                failure: Some("starting".to_owned()),
                lapses: time::NEVER,
                conflict: None,
            }),
            ages: OnceLock::new(),
            counters: OnceLock::new(),
            checks: OnceLock::new(),
            metrics: OnceLock::new(),
        }
    }

    /// Reads ages of known nodes from `ages`; the first call counts.
    pub fn discovers(&self, ages: impl Fn() -> Vec<(String, Duration)> + Send + Sync + 'static) {
        let _ = self.ages.set(Box::new(ages));
    }

    /// Sets the names of the service and of its node.
    pub fn identify(&self, service: &str, node: &str) {
        let _ = self.identity.set((service.to_owned(), node.to_owned()));
    }

    /// Reads the listener's counters from `counters`; the first call counts.
    pub fn counts(&self, counters: Counters) {
        let _ = self.counters.set(counters);
    }

    /// Reports the results of these health checks; the first call counts.
    pub fn check(&self, checks: HealthChecks) {
        let _ = self.checks.set(checks);
    }

    /// Reports these metrics of the user; the first call counts.
    pub fn measure(&self, metrics: Metrics) {
        let _ = self.metrics.set(metrics);
    }

    /// Records the result of a registration, which lasts until `lapses` (of this crate's clock). Of an error only one
    /// word is stored: its text is for the log alone.
    pub fn registered(&self, registered: Result<()>, lapses: Nanos) {
        let word = |error: Error| match error.reason().as_deref() {
            // This text is ours: it names the other instance.
            Some(reason::ID_IN_USE) => error.message().to_owned(),
            Some(reason) => reason.to_ascii_lowercase(),
            None => error.code().as_str().to_owned(),
        };
        let mut registration = self.registration.lock();
        registration.failure = registered.err().map(word);
        registration.lapses = lapses;
    }

    /// Records another instance with the same id, if there is one.
    pub fn conflicts(&self, conflict: Option<String>) {
        self.registration.lock().conflict = conflict;
    }

    /// Adds a warning to the health.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().push(warning);
    }

    /// Records that the service is shutting down.
    pub fn leaving(&self) {
        self.leaving.send();
        // The record is removed now.
        self.registration.lock().failure = Some("leaving".to_owned());
    }

    /// The signal that the service has begun to stop.
    pub fn leaving_signal(&self) -> Leaving {
        self.leaving.receiver()
    }

    /// Whether the service accepts calls: it is not shutting down, and no health check failed in the last run.
    pub(crate) fn is_ready(&self) -> bool {
        !self.leaving.was_sent() && self.checks().passed()
    }

    pub(super) fn checks(&self) -> &HealthChecks {
        self.checks.get_or_init(HealthChecks::default)
    }

    #[cfg(feature = "http")]
    pub(super) fn metrics(&self) -> Option<&Metrics> {
        self.metrics.get()
    }

    /// The names of the service and of its node.
    #[cfg(feature = "http")]
    pub(super) fn identity(&self) -> Option<&(String, String)> {
        self.identity.get()
    }

    pub(super) fn is_registered(&self) -> bool {
        self.registration.lock().failure().is_none()
    }

    /// How old the known nodes of other services are, by service.
    pub(super) fn ages(&self) -> Vec<(String, Duration)> {
        self.ages.get().map(|ages| ages()).unwrap_or_default()
    }

    /// The listener's counters, by name.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        self.counters.get().map(|read| read()).unwrap_or_default()
    }

    /// The response of `Debug.Health`.
    pub(super) fn health(&self) -> Value {
        let (service, node) = self.identity.get().cloned().unzip();
        let checks = self.checks().results().into_iter();
        let checks: Map<_, _> = checks
            .map(|(name, result)| (name, Value::from(check_text(result))))
            .collect();
        let is_ready = self.is_ready();
        let registration = self.registration.lock();
        let failure = registration.failure();
        json!({
            "status": "ok",
            "service": service,
            "node": node,
            "ready": is_ready,
            "registered": failure.is_none(),
            "reason": failure.or_else(|| registration.conflict.clone()),
            "warnings": *self.warnings.lock(),
            "checks": checks,
        })
    }
}

/// The result of a health check in JSON. The text of its error is only logged.
fn check_text(result: CheckResult) -> &'static str {
    match result {
        None => "not run",
        Some(Ok(())) => "ok",
        Some(Err(CheckFailure::Failed)) => "failed",
        Some(Err(CheckFailure::TimedOut)) => "timed out",
    }
}
