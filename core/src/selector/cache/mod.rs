//! The discovery cache: the sets of the services in use, kept up to date, and kept through an outage.

pub(super) mod disk;
mod entry;
mod follow;
mod names;
mod snapshots;
mod state;
mod task;
mod weights;

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};

pub use entry::Entry;
pub use snapshots::Snapshots;

use super::Strategy;
use crate::{error::Result, node::Node, random::Rng, registry::Registry};
pub(crate) use names::Names;
use weights::AllWeights;

/// Sets that are read or written at a time.
const DISK: usize = 2;

/// The sets of the services in use, by name.
///
/// The first use of a service starts one task on the runtime it is used in, which watches the
/// registry until the [`Entry`] is dropped. `P` is what is kept for each node: `fill` makes it when a
/// node appears, `retire` gets it when the node leaves. Neither may wait, nor call the cache.
pub struct Cache<P: Clone> {
    shared: Arc<Shared<P>>,
    entries: ArcSwap<Names<Arc<Entry<P>>>>,
    /// The watch of all version weights, as long as there are entries. Held while one is added or removed.
    weighing: Mutex<Option<Ends>>,
}

/// What a cache may be told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where the last set of each service is kept.
    pub snapshots: Snapshots,
    /// How long a registry may show no nodes, without saying that they went, before it is believed:
    /// 30 s, longer than a registry that lost its memory takes to hear from all nodes again.
    pub grace: Duration,
    /// How long a start waits for the registry before it reads the disk: 100 ms.
    pub snapshot_delay: Duration,
    /// Services remembered at most: 4,096. Beyond it those without nodes are forgotten first, and
    /// one more is watched only as long as its caller keeps it.
    pub services: usize,
    /// The seed of all its random numbers, for runs that must be repeatable.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            snapshots: Snapshots::default(),
            grace: Duration::from_secs(30),
            snapshot_delay: Duration::from_millis(100),
            services: 4096,
            seed: None,
        }
    }
}

/// Makes what is kept for a node.
pub type Fill<P> = Box<dyn Fn(&Arc<Node>) -> Result<P> + Send + Sync>;

/// Takes what was kept for a node that left.
pub type Retire<P> = Box<dyn Fn(P) + Send + Sync>;

/// What a cache and its entries have in common.
struct Shared<P> {
    registry: Arc<dyn Registry>,
    strategy: Arc<dyn Strategy>,
    options: Options,
    /// Where sets are kept.
    directory: Option<PathBuf>,
    /// Held while a set is read or written, which takes a thread.
    disk: Semaphore,
    fill: Fill<P>,
    retire: Retire<P>,
    rng: Rng,
    /// Version weights in the registry; `None` until it was heard, or known to be out of reach.
    weights: watch::Sender<Option<Arc<AllWeights>>>,
}

impl<P: Clone + Send + Sync + 'static> Cache<P> {
    /// A cache of what `registry` says.
    pub fn new(
        registry: Arc<dyn Registry>,
        strategy: Arc<dyn Strategy>,
        options: Options,
        fill: Fill<P>,
        retire: Retire<P>,
    ) -> Self {
        let shared = Shared {
            directory: options.snapshots.directory(&*registry),
            disk: Semaphore::new(DISK),
            registry,
            strategy,
            rng: options.seed.map_or_else(Rng::new, Rng::seeded),
            options,
            fill,
            retire,
            weights: watch::Sender::default(),
        };
        Cache {
            shared: Arc::new(shared),
            entries: ArcSwap::from_pointee(Names::default()),
            weighing: Mutex::default(),
        }
    }

    /// Where it learns of nodes.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.shared.registry
    }

    /// What picks unless a call says otherwise.
    pub fn strategy(&self) -> &Arc<dyn Strategy> {
        &self.shared.strategy
    }

    /// The entry of a service, found without a lock but at its first use.
    ///
    /// # Panics
    /// At the first use of a service outside a tokio runtime.
    pub fn service(&self, name: &str) -> Arc<Entry<P>> {
        if let Some(entry) = self.entries.load().get(name) {
            return entry.clone();
        }
        self.add(name)
    }

    /// The entries of all services in use, by name.
    pub fn entries(&self) -> Vec<Arc<Entry<P>>> {
        let mut entries: Vec<_> = self.entries.load().values().cloned().collect();
        entries.sort_by(|one, other| one.service().cmp(other.service()));
        entries
    }

    fn add(&self, name: &str) -> Arc<Entry<P>> {
        let mut weighing = self.weighing.lock();
        let known = self.entries.load();
        if let Some(entry) = known.get(name) {
            return entry.clone();
        }
        if weighing.as_ref().is_none_or(Ends::has_ended) {
            *weighing = Some(Ends(tokio::spawn(weights::run(self.shared.clone()))));
        }
        let entry = Arc::new(Entry::start(name, self.shared.clone()));
        let mut next = Names::clone(&known);
        if next.len() >= self.shared.options.services {
            next.retain(|_, entry| {
                Arc::strong_count(entry) > 2 || !entry.load().snapshot().is_empty()
            });
        }
        if next.len() < self.shared.options.services {
            next.insert(name.into(), entry.clone());
            self.entries.store(Arc::new(next));
        }
        entry
    }

    /// Keeps nothing of these services, unless somebody besides the caller holds their entries; the watch of version
    /// weights ends with the last entry.
    pub(crate) fn forget<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut weighing = self.weighing.lock();
        let known = self.entries.load();
        // One is the map's and one the caller's.
        let unheld = |name: &&str| {
            known
                .get(*name)
                .is_some_and(|it| Arc::strong_count(it) <= 2)
        };
        let unheld: Vec<_> = names.into_iter().filter(unheld).collect();
        let mut next = Names::clone(&known);
        for name in unheld {
            next.remove(name);
        }
        if next.is_empty() {
            *weighing = None;
            self.shared.weights.send_replace(None);
        }
        self.entries.store(Arc::new(next));
    }
}

/// A task that ends when this is dropped.
struct Ends(JoinHandle<()>);

impl Ends {
    fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}
