//! The one loop: while time and budget remain, pick a node not yet tried, send what time remains,
//! classify the outcome, mark the node.

mod attempt;
mod budget;
mod calling;
mod direct;
mod hedge;
mod lane;
mod nodes;
mod options;
mod outcome;
mod picked;
mod progress;
mod record;
mod sweep;
mod trying;

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
    message::{Request, Target},
    random::Rng,
    selector::{Cache, Names, Strategy},
    time::Nanos,
    transport::{Peer, Transport},
    wait::Backoff,
};
use calling::Calling;
use direct::Direct;
use lane::Lane;
use sweep::Sweeper;

/// Settings of the loop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Time for a call that comes without a deadline; for a stream, until it begins. 5 s, as
    /// go-micro's.
    pub timeout: Duration,
    /// Attempts in the whole tree of a call that begins here. 4.
    pub attempts: u8,
    /// Retries as a share of calls. 0.2, as Finagle's.
    pub retry_share: f64,
    /// Retries a second besides. 10, as Finagle's.
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

/// Services whose budget is remembered: as many as the discovery cache keeps.
const MOST_LANES: usize = 4096;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The loop and what it keeps between calls. Cheap to clone.
#[derive(Clone)]
pub struct Balance(Arc<Inner>);

struct Inner {
    /// Unique in this process: by it a lane is known for one's own.
    id: u64,
    cache: Cache<Arc<dyn Peer>>,
    strategy: Arc<dyn Strategy>,
    settings: Settings,
    rng: Rng,
    direct: Direct,
    lanes: ArcSwap<Names<Arc<Lane>>>,
    sweeper: Sweeper,
}

impl Balance {
    /// A loop over what `cache` knows, by way of `transport`.
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
            rng,
            direct: Direct::new(transport),
            lanes: ArcSwap::default(),
        }))
    }

    /// A random number, of the source that all its choices have.
    pub(crate) fn random(&self) -> u64 {
        self.0.rng.number()
    }

    /// What was counted for a service; all zero for one that was never called.
    pub(crate) fn stats(&self, service: &str) -> Stats {
        let lanes = self.0.lanes.load();
        lanes
            .get(service)
            .map_or_else(Stats::default, |lane| lane.stats())
    }
}

impl Balance {
    /// For how long the set of each service in use may have been out of date.
    pub(crate) fn ages(&self) -> Vec<(String, Duration)> {
        let entries = self.0.cache.entries();
        let ages = entries
            .iter()
            .map(|entry| (entry.service().to_owned(), entry.age()));
        ages.collect()
    }
}

impl Call for Balance {
    fn call(&self, request: Request) -> Answer {
        Box::pin(Calling::new(self.0.clone(), request))
    }
}

impl Inner {
    /// What is kept for the target's service; looked up once a target, then found in it.
    fn lane(&self, target: &Target, now: Nanos) -> Arc<Lane> {
        let kept = target.kept().get().and_then(Weak::upgrade);
        match kept.map(|kept| kept.downcast::<Lane>()) {
            Some(Ok(lane)) if lane.owner == self.id => lane,
            _ => {
                let lane = self.find_lane(target.service(), now);
                if lane.entry.had_nodes() {
                    let weak: Weak<Lane> = Arc::downgrade(&lane);
                    // It stays what the first caller made it; a target seldom has two.
                    let _ = target.kept().set(weak);
                }
                lane
            }
        }
    }

    fn find_lane(&self, service: &str, now: Nanos) -> Arc<Lane> {
        if let Some(lane) = self.lanes.load().get(service) {
            lane.used.store(true, Relaxed);
            return lane.clone();
        }
        let entry = self.cache.service(service);
        let fresh = Arc::new(Lane::new(self.id, entry, &self.settings, now));
        if self.lanes.load().len() >= MOST_LANES {
            return fresh;
        }
        self.lanes.rcu(|lanes| {
            let mut lanes = Names::clone(lanes);
            lanes.entry(service.into()).or_insert_with(|| fresh.clone());
            lanes
        });
        self.keep_swept();
        self.lanes.load().get(service).cloned().unwrap_or(fresh)
    }
}
