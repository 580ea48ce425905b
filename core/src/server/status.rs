//! Where a service stands in its life, and what its health is made of.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result, details::reason},
    server::{
        health::{Failure, HealthChecks, Outcome},
        metrics::Metrics,
    },
    time::{self, Nanos},
};

/// Tells how old what is known of other services is, by name.
type Ages = Box<dyn Fn() -> Vec<(String, Duration)> + Send + Sync>;

/// Reads counters by their names.
type Counters = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// What is known of the node's record.
struct Registration {
    /// Why the last attempt failed.
    failure: Option<String>,
    /// When the record goes unless it is renewed.
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

/// Where a service stands in its life.
pub struct Status {
    pub(super) began: Nanos,
    /// Seconds of Unix time.
    pub(super) started: u64,
    leaving: AtomicBool,
    /// Whose it is: the names of the service and of its node.
    identity: OnceLock<(String, String)>,
    registration: Mutex<Registration>,
    /// What works, and not as it should.
    warnings: Mutex<Vec<String>>,
    ages: OnceLock<Ages>,
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
    /// Nothing yet.
    pub fn new() -> Self {
        Status {
            began: time::now(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            leaving: AtomicBool::new(false),
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

    /// How to learn of the age of what is known of other services; the first way counts.
    pub fn discovers(&self, ages: impl Fn() -> Vec<(String, Duration)> + Send + Sync + 'static) {
        let _ = self.ages.set(Box::new(ages));
    }

    /// Whose it is from now on.
    pub fn identify(&self, service: &str, node: &str) {
        let _ = self.identity.set((service.to_owned(), node.to_owned()));
    }

    /// How to read what its listener counts; the first way counts.
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

    /// Notes how the last registration went, which lasts until a time of this crate's clock. A failure
    /// is kept in a word: the error itself is for the log alone.
    pub fn registered(&self, registered: Result<()>, lapses: Nanos) {
        let word = |error: Error| match error.reason().as_deref() {
            // Its text is our own: it names the other instance.
            Some(reason::ID_IN_USE) => error.message().to_owned(),
            Some(reason) => reason.to_ascii_lowercase(),
            None => error.code().as_str().to_owned(),
        };
        let mut registration = self.registration.lock();
        registration.failure = registered.err().map(word);
        registration.lapses = lapses;
    }

    /// Notes whether another instance has the same id, and which.
    pub fn conflicts(&self, conflict: Option<String>) {
        self.registration.lock().conflict = conflict;
    }

    /// Notes what its health warns of from now on.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().push(warning);
    }

    /// Not ready any more: it is about to end.
    pub fn leaving(&self) {
        self.leaving.store(true, Relaxed);
        // Its record goes now.
        self.registration.lock().failure = Some("leaving".to_owned());
    }

    /// Whether the service takes calls: it does not leave, and no health check failed when the checks last ran.
    pub(crate) fn is_ready(&self) -> bool {
        !self.leaving.load(Relaxed) && self.checks().passed()
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

    /// How old what is known of other services is, by name.
    pub(super) fn ages(&self) -> Vec<(String, Duration)> {
        self.ages.get().map(|ages| ages()).unwrap_or_default()
    }

    /// What its listener counts, by name.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        self.counters.get().map(|read| read()).unwrap_or_default()
    }

    /// What `Debug.Health` answers.
    pub(super) fn health(&self) -> Value {
        let (service, node) = self.identity.get().cloned().unzip();
        let checks = self.checks().results().into_iter();
        let checks: Map<_, _> = checks
            .map(|(name, outcome)| (name, Value::from(outcome_text(outcome))))
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

/// The result of a health check in JSON. What the check reported is for the log alone.
fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        None => "not run",
        Some(Ok(())) => "ok",
        Some(Err(Failure::Failed)) => "failed",
        Some(Err(Failure::TimedOut)) => "timed out",
    }
}
