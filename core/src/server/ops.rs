//! Operational endpoints: which of them each listener serves, and their limits.
//!
//! They are outside the user's layers and the server's limit of requests, so that probes are answered under
//! any load. A layer can cover them (`Service::layer_all`), and they have their own limit.

mod limited;
mod slots;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    call::{Answer, Begun, Call, Identity, Listing, Operation, Operations, Refusal, Shape},
    error::{Error, Result},
    message::Request,
    server::{health::DEFAULT_TIMEOUT, status::Status},
    time::Nanos,
};
use limited::LimitedCall;
use slots::Slots;

/// Operational endpoints of a service: which are served, where, and their limits.
///
/// `docs/operations.md` has what each endpoint shows, and to whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ops {
    /// `/health`, and gRPC's health service. On.
    pub health: bool,
    /// `/ready`. On.
    pub ready: bool,
    /// `/metrics`. On.
    pub metrics: bool,
    /// `Debug.Health` and `Debug.Stats`, for `micro health` and `micro stats`. On.
    pub debug: bool,
    /// gRPC's reflection service. On.
    pub reflection: bool,
    /// The address that serves them instead of the service's own; unset by default.
    pub address: Option<String>,
    /// Concurrent requests of each kind of endpoint before more are refused. A stream of reflection
    /// counts until it ends. 64.
    pub concurrency: usize,
    /// Concurrent streams of gRPC's `Health.Watch`; a client with health checks has one per connection. 1,024.
    pub watches: usize,
    /// For how long a health check may run before it counts as failed. 900 ms, as a probe of Kubernetes waits for 1 s.
    pub health_check_timeout: Duration,
}

impl Default for Ops {
    fn default() -> Self {
        Ops {
            health: true,
            ready: true,
            metrics: true,
            debug: true,
            reflection: true,
            address: None,
            concurrency: 64,
            watches: 1024,
            health_check_timeout: DEFAULT_TIMEOUT,
        }
    }
}

impl Ops {
    fn switch(&mut self, operation: Operation) -> &mut bool {
        match operation {
            Operation::Health => &mut self.health,
            Operation::Ready => &mut self.ready,
            Operation::Metrics => &mut self.metrics,
            Operation::Debug => &mut self.debug,
            Operation::Reflection => &mut self.reflection,
        }
    }

    /// Switches on the endpoints in a list separated by commas, and the others off; or `all`, or `none`.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown name.
    pub fn only(&mut self, names: &str) -> Result<()> {
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        for operation in Operation::ALL {
            *self.switch(operation) = names == ["all"] || names.contains(&operation.as_str());
        }
        if names == ["all"] || names == ["none"] {
            return Ok(());
        }
        let known = Operation::ALL.map(Operation::as_str);
        match names.iter().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Error::invalid_argument(format!(
                "`{name}` is not an operational endpoint; write `all`, `none`, or a list of `{}` \
                 separated by commas",
                known.join("`, `")
            ))),
        }
    }
}

/// Requests refused before they reached an endpoint, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Relaxed);
    }

    /// The reasons and their counts.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = Refusal::ALL.map(|refusal| (refusal.as_str(), refusal as usize));
        named
            .into_iter()
            .map(|(name, number)| (name, self.0[number].load(Relaxed)))
    }
}

/// Puts the layers of operational endpoints around a call.
pub(crate) type OpsLayers = Box<dyn Fn(Arc<dyn Call>) -> Arc<dyn Call> + Send + Sync>;

/// The state of operational endpoints that all listeners of a server share.
pub(crate) struct OpsState {
    /// The `Debug` endpoints, without layers.
    debug: Arc<dyn Call>,
    /// The `Debug` endpoints, with the layers of operational endpoints.
    covered: Arc<dyn Call>,
    cover: OpsLayers,
    /// By number of the operation.
    slots: [Arc<Slots>; Operation::ALL.len()],
    watches: Arc<Slots>,
    hosts: Vec<String>,
    refusals: Arc<Refusals>,
    status: Arc<Status>,
}

impl OpsState {
    pub(crate) fn new(
        ops: &Ops,
        debug: Arc<dyn Call>,
        cover: OpsLayers,
        hosts: Vec<String>,
        refusals: Arc<Refusals>,
        status: Arc<Status>,
    ) -> Arc<Self> {
        Arc::new(OpsState {
            covered: cover(debug.clone()),
            debug,
            cover,
            slots: std::array::from_fn(|_| Slots::new(ops.concurrency)),
            watches: Slots::new(ops.watches),
            hosts,
            refusals,
            status,
        })
    }
}

/// The operational endpoints of one listener.
#[derive(Clone)]
pub(crate) struct OpsListener {
    shared: Arc<OpsState>,
    /// By number of the operation.
    here: [bool; Operation::ALL.len()],
}

impl OpsListener {
    /// All that are switched on, for a listener that serves them.
    pub(crate) fn all(shared: &Arc<OpsState>, mut ops: Ops) -> Self {
        OpsListener {
            shared: shared.clone(),
            here: Operation::ALL.map(|operation| *ops.switch(operation)),
        }
    }

    /// None, for a listener of a server that serves them at another address.
    pub(crate) fn none(shared: &Arc<OpsState>) -> Self {
        OpsListener {
            shared: shared.clone(),
            here: [false; Operation::ALL.len()],
        }
    }
}

impl Operations for OpsListener {
    fn serve(&self, operation: Operation, own: Option<Arc<dyn Call>>) -> Option<Arc<dyn Call>> {
        if !self.here[operation as usize] {
            return None;
        }
        let shared = &self.shared;
        let (plain, covered) = match own {
            Some(own) => (own.clone(), (shared.cover)(own)),
            None => (shared.debug.clone(), shared.covered.clone()),
        };
        Some(Arc::new(LimitedCall {
            plain,
            covered,
            operation,
            shared: shared.clone(),
        }))
    }

    fn hosts(&self) -> &[String] {
        &self.shared.hosts
    }

    fn refused(&self, refusal: Refusal) {
        self.shared.refusals.count(refusal);
    }

    fn check_health(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let status = self.shared.status.clone();
        let has_checks = !status.checks().is_empty();
        has_checks.then(|| Box::pin(async move { status.checks().refresh().await }) as _)
    }
}

/// Answers requests at the address of operational endpoints.
pub(crate) struct OpsAdmission {
    /// The `Debug` endpoints, if they are served.
    debug: Option<Arc<dyn Call>>,
    /// The server that health and reflection describe.
    server: Arc<dyn Call>,
    served: OpsListener,
}

impl OpsAdmission {
    pub(crate) fn new(served: OpsListener, server: Arc<dyn Call>) -> Self {
        OpsAdmission {
            debug: served.serve(Operation::Debug, None),
            server,
            served,
        }
    }
}

impl Call for OpsAdmission {
    fn call(&self, request: Request) -> Answer {
        match self.begin(request, crate::time::now()) {
            Begun::Done(answer) => Box::pin(async { answer }),
            Begun::Running(answer) => answer,
        }
    }

    fn begin(&self, request: Request, now: Nanos) -> Begun {
        match &self.debug {
            Some(debug) => debug.begin(request, now),
            None => {
                let text = format!(
                    "`{}` is not served at this address, which has operational endpoints only",
                    request.endpoint()
                );
                let error = Error::not_found(text);
                Begun::Done(Err(error.with_outcome(crate::error::Outcome::Rejected)))
            }
        }
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        self.debug.as_ref()?.shape(endpoint)
    }

    fn listing(&self) -> Option<Listing> {
        self.server.listing()
    }

    fn identity(&self) -> Option<&Identity> {
        self.server.identity()
    }

    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        self.server.is_meant(meant)
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(&self.served)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn operational_endpoints_are_switched_by_name() {
        let on = |names: &str| {
            let mut ops = Ops::default();
            ops.only(names).unwrap();
            Operation::ALL.map(|operation| *ops.switch(operation))
        };
        assert_eq!(on("all"), [true; 5]);
        assert_eq!(on("none"), [false; 5]);
        assert_eq!(on("health, metrics"), [true, false, true, false, false]);
        assert_eq!(
            on("ready,debug,reflection"),
            [false, true, false, true, true]
        );
        for wrong in ["", "helth", "health,all", "none,ready", "health,"] {
            let error = Ops::default().only(wrong).unwrap_err();
            assert!(error.message().contains("`reflection`"), "{error}");
        }
    }

    #[test]
    fn numbers_are_the_order_of_the_lists() {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, number);
        }
        for (number, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, number);
        }
    }
}
