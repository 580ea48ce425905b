//! The user's health checks.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::{
    error::{Error, Result},
    time::{self, Nanos},
};

type CheckFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

type Check = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckFailure {
    Failed,
    TimedOut,
}

/// The result of a check; `None` before it has run.
pub(super) type CheckResult = Option<Result<(), CheckFailure>>;

/// How long a check may run by default: less than a probe of Kubernetes waits.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_millis(900);

/// How long results are valid.
const CACHE_TIME: Duration = Duration::from_secs(1);

/// The last run of all checks.
struct Run {
    ended: Nanos,
    /// In the order of the checks.
    results: Vec<Result<(), CheckFailure>>,
}

/// Health checks, which run when the service's readiness is requested.
pub struct HealthChecks {
    checks: Vec<(String, Check)>,
    /// How long a check may run.
    timeout: Duration,
    last: Mutex<Option<Run>>,
    /// Requests during a run wait for its results.
    running: tokio::sync::Mutex<()>,
}

impl Default for HealthChecks {
    fn default() -> Self {
        HealthChecks {
            checks: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            last: Mutex::default(),
            running: tokio::sync::Mutex::default(),
        }
    }
}

impl HealthChecks {
    /// Sets how long a check may run.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Adds a check, and replaces one of the same name.
    pub fn push<F, Fut>(&mut self, name: String, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.checks.retain(|(known, _)| *known != name);
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.push((name, check));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// Whether no check failed in the last run.
    pub(super) fn passed(&self) -> bool {
        let last = self.last.lock();
        let results = last.iter().flat_map(|run| &run.results);
        results.into_iter().all(|result| result.is_ok())
    }

    /// The names of the checks, with the results of the last run.
    pub(super) fn results(&self) -> Vec<(String, CheckResult)> {
        let last = self.last.lock();
        let result = |number| Some(last.as_ref()?.results[number]);
        let checks = self.checks.iter().enumerate();
        checks
            .map(|(number, (name, _))| (name.clone(), result(number)))
            .collect()
    }

    fn is_fresh(&self) -> bool {
        let last = self.last.lock();
        let age = |ended| time::now().saturating_sub(ended);
        let limit = CACHE_TIME.as_nanos() as Nanos;
        last.as_ref().is_some_and(|run| age(run.ended) < limit)
    }

    /// Runs all checks at once, unless the last results are still valid.
    pub(super) async fn refresh(&self) {
        if self.is_empty() || self.is_fresh() {
            return;
        }
        let _running = self.running.lock().await;
        if self.is_fresh() {
            return;
        }
        let limit = self.timeout;
        let mut tasks = JoinSet::new();
        // In a task each, so that a panic ends one check alone.
        let spawn = |(_, check): &(String, Check)| {
            let check = check.clone();
            tasks.spawn(async move { check().await }).id()
        };
        let ids: Vec<_> = self.checks.iter().map(spawn).collect();
        let mut results = vec![Err(CheckFailure::TimedOut); self.checks.len()];
        let joined = async {
            while let Some(joined) = tasks.join_next_with_id().await {
                let (id, result) = match joined {
                    Ok((id, result)) => (id, result),
                    Err(error) => (error.id(), Err(Error::internal("the check panicked"))),
                };
                let Some(number) = ids.iter().position(|known| *known == id) else {
                    continue;
                };
                results[number] = result.map_err(|error| {
                    let check = &*self.checks[number].0;
                    tracing::warn!(check, %error, "a health check failed");
                    CheckFailure::Failed
                });
            }
        };
        // The other tasks end with the set.
        let _ = tokio::time::timeout(limit, joined).await;
        for ((check, _), result) in self.checks.iter().zip(&results) {
            if *result == Err(CheckFailure::TimedOut) {
                tracing::warn!(check, ?limit, "a health check did not end in time");
            }
        }
        *self.last.lock() = Some(Run {
            ended: time::now(),
            results,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    fn results(checks: &HealthChecks) -> Vec<CheckResult> {
        let results = checks.results().into_iter();
        results.map(|(_, result)| result).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_check_has_its_own_result() {
        let mut checks = HealthChecks::default();
        checks.push("good".into(), async || Ok(()));
        checks.push("bad".into(), async || Err(Error::unavailable("gone")));
        checks.push("slow".into(), std::future::pending);
        checks.push("broken".into(), async || panic!("a bug"));
        assert_eq!(results(&checks), [None; 4]);
        assert!(checks.passed());
        checks.refresh().await;
        let expected = [
            Ok(()),
            Err(CheckFailure::Failed),
            Err(CheckFailure::TimedOut),
            Err(CheckFailure::Failed),
        ];
        assert_eq!(results(&checks), expected.map(Some));
        assert!(!checks.passed());
    }

    #[tokio::test(start_paused = true)]
    async fn checks_run_once_for_concurrent_requests() {
        let runs = Arc::new(AtomicUsize::new(0));
        let mut checks = HealthChecks::default();
        let counted = runs.clone();
        checks.push("counted".into(), move || {
            counted.fetch_add(1, Relaxed);
            async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(())
            }
        });
        tokio::join!(checks.refresh(), checks.refresh());
        checks.refresh().await;
        assert_eq!(runs.load(Relaxed), 1);
        tokio::time::advance(CACHE_TIME).await;
        checks.refresh().await;
        assert_eq!(runs.load(Relaxed), 2);
    }
}
