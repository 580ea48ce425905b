//! The balance loop: while time and budget remain, pick a node not yet tried, send the request with the time left,
//! classify the outcome, mark the node.

mod attempt;
mod attempt_future;
mod budget;
mod call_future;
mod direct;
mod endpoint;
#[cfg(feature = "http")]
mod group;
mod hedge;
mod latency;
mod nodes;
mod options;
mod outcome;
mod progress;
mod record;
mod selection;
mod service_state;
mod sweep;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

pub(crate) use nodes::Nodes;
pub use options::{Options, Stats};
pub use record::Record;
pub(crate) use record::Recorder;

use crate::{
    call::{Answer, Call},
    error::Result,
    message::{Request, Target},
    node::Node,
    random::Rng,
    selector::{Cache, Names, Strategy},
    time::Nanos,
    transport::{Peer, Transport},
    wait::Backoff,
};
use call_future::CallFuture;
use direct::Direct;
use endpoint::{Candidates, Endpoint, Endpoints};
use service_state::ServiceState;
use sweep::Sweeper;

/// Settings of the loop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The timeout of a call without a deadline; for a stream, until its first message. 5 s, as in
    /// go-micro.
    pub timeout: Duration,
    /// Attempts in the call tree of a call that begins here. 4.
    pub attempts: u8,
    /// Retries as a share of calls. 0.2, as in Finagle.
    pub retry_share: f64,
    /// Retries a second in addition. 10, as in Finagle.
    pub retries_per_second: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            timeout: Duration::from_secs(5),
            attempts: 4,
            retry_share: 0.2,
            retries_per_second: 10.0,
        }
    }
}

/// Services whose budget is kept: as many as in the discovery cache.
const MAX_SERVICES: usize = 4096;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The loop, and its state between calls. Cheap to clone.
#[derive(Clone)]
pub struct Balance(Arc<Inner>);

struct Inner {
    /// Unique in this process; an endpoint recognises its loop by it.
    id: u64,
    cache: Cache<Arc<dyn Peer>>,
    strategy: Arc<dyn Strategy>,
    settings: Settings,
    rng: Rng,
    direct: Direct,
    service_states: ArcSwap<Names<Arc<ServiceState>>>,
    endpoints: Endpoints,
    #[cfg(feature = "http")]
    group: group::Group,
    sweeper: Sweeper,
}

impl Balance {
    /// Creates a loop over the nodes of `cache` and the peers of `transport`.
    pub fn new(
        cache: Cache<Arc<dyn Peer>>,
        strategy: Arc<dyn Strategy>,
        settings: Settings,
        rng: Rng,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Balance(Arc::new_cyclic(|me| Inner {
            sweeper: Sweeper::new(me.clone()),
            id: NEXT.fetch_add(1, Relaxed),
            cache,
            strategy,
            settings,
            direct: Direct::new(transport, Rng::seeded(rng.number())),
            #[cfg(feature = "http")]
            group: group::Group::new(Rng::seeded(rng.number())),
            rng,
            service_states: ArcSwap::default(),
            endpoints: Endpoints::default(),
        }))
    }

    /// A random number, from the source for all choices.
    pub(crate) fn random(&self) -> u64 {
        self.0.rng.number()
    }

    /// Returns the counts for a service; zero for a service that was never called.
    pub(crate) fn stats(&self, service: &str) -> Stats {
        let service_states = self.0.service_states.load();
        service_states
            .get(service)
            .map_or_else(Stats::default, |service_state| service_state.stats())
    }
}

impl Balance {
    /// For how long the nodes of each service in use may have been out of date.
    pub(crate) fn ages(&self) -> Vec<(String, Duration)> {
        let entries = self.0.cache.entries();
        let ages = entries
            .iter()
            .map(|entry| (entry.service().to_owned(), entry.age()));
        ages.collect()
    }
}

impl Call for Balance {
    fn call(&self, mut request: Request) -> Answer {
        // Here the request leaves the caller, also if the callee is in the same process.
        request.context_mut().clear_values();
        Box::pin(CallFuture::new(self.0.clone(), request))
    }
}

impl Inner {
    /// The state for the target: looked up once a handle, then found in it.
    #[inline]
    fn endpoint(&self, target: &Target, now: Nanos) -> Arc<Endpoint> {
        let kept = target.kept().get().and_then(Weak::upgrade);
        match kept.map(|kept| kept.downcast::<Endpoint>()) {
            Some(Ok(endpoint)) if endpoint.owner == self.id => endpoint,
            _ => self.find_endpoint(target, now),
        }
    }

    fn find_endpoint(&self, target: &Target, now: Nanos) -> Arc<Endpoint> {
        let endpoint = match self.endpoints.get(target) {
            Some(endpoint) => endpoint,
            None => {
                let service_state = self.find_lane(target.service(), now, MAX_SERVICES);
                let entry = service_state.discovered(&self.cache).clone();
                let is_kept = entry.had_nodes() && self.is_kept(&service_state);
                let endpoint = Endpoint::new(self.id, service_state, Candidates::Discovered(entry));
                if !is_kept {
                    return Arc::new(endpoint);
                }
                self.endpoints.keep(target, endpoint)
            }
        };
        let weak: Weak<Endpoint> = Arc::downgrade(&endpoint);
        // It belongs to the first loop that used it; a target seldom has two.
        let _ = target.kept().set(weak);
        endpoint
    }

    /// The state for calls to an address.
    fn at(&self, node: &Arc<Node>, service: &str, now: Nanos) -> Result<Arc<Endpoint>> {
        self.given(service, now, |direct| direct.nodes(node, now))
    }

    /// Calls a service at nodes that the caller gives, and counts the call.
    fn given(
        &self,
        service: &str,
        now: Nanos,
        nodes: impl FnOnce(&Direct) -> Result<Arc<Nodes>>,
    ) -> Result<Arc<Endpoint>> {
        // Discovered nodes keep their entry.
        let service_state = self.find_lane(service, now, MAX_SERVICES / 2);
        service_state.budget.deposit();
        match nodes(&self.direct) {
            Ok(nodes) => {
                self.keep_swept();
                let given = Candidates::Given(nodes);
                Ok(Arc::new(Endpoint::new(self.id, service_state, given)))
            }
            Err(error) => {
                service_state.failed.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    /// The state of a service. A new one lasts only as long as the caller holds it if there are `most` already.
    fn find_lane(&self, service: &str, now: Nanos, most: usize) -> Arc<ServiceState> {
        if let Some(service_state) = self.service_states.load().get(service) {
            service_state.used.store(true, Relaxed);
            return service_state.clone();
        }
        let fresh = Arc::new(ServiceState::new(service, &self.settings, now));
        if self.service_states.load().len() >= most {
            return fresh;
        }
        self.service_states.rcu(|service_states| {
            let mut service_states = Names::clone(service_states);
            service_states
                .entry(service.into())
                .or_insert_with(|| fresh.clone());
            service_states
        });
        self.keep_swept();
        self.service_states
            .load()
            .get(service)
            .cloned()
            .unwrap_or(fresh)
    }

    /// Whether this is the state that callers find by the service's name.
    fn is_kept(&self, service_state: &Arc<ServiceState>) -> bool {
        let service_states = self.service_states.load();
        let kept = service_states.get(service_state.service());
        kept.is_some_and(|kept| Arc::ptr_eq(kept, service_state))
    }
}
