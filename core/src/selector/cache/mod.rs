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

/// Files read or written at a time.
const DISK: usize = 2;

/// The sets of the services in use, by name.
///
/// The first use of a service starts a task on the current runtime, which watches the
/// registry until the [`Entry`] is dropped. `P` is a value for each node: `fill` creates it when a
/// node appears, `retire` receives it when the node leaves. Neither may block, nor use the cache.
pub struct Cache<P: Clone> {
    shared: Arc<Shared<P>>,
    entries: ArcSwap<Names<Arc<Entry<P>>>>,
    /// The watch of all version weights, while there are entries. The lock is held while one is added or removed.
    weighing: Mutex<Option<Ends>>,
}

/// Settings of a cache.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where the last set of each service is kept.
    pub snapshots: Snapshots,
    /// How long an empty set without authority is not believed:
    /// 30 s, longer than a registry that lost its data takes to get all nodes again.
    pub grace: Duration,
    /// How long a start waits for the registry before it reads the disk: 100 ms.
    pub snapshot_delay: Duration,
    /// The largest number of services: 4,096. Beyond it, those without nodes are forgotten first, and
    /// a further one is watched only while its caller holds it.
    pub services: usize,
    /// The seed of all random numbers, for runs that must be repeatable.
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

/// Creates the value of a node.
pub type Fill<P> = Box<dyn Fn(&Arc<Node>) -> Result<P> + Send + Sync>;

/// Receives the value of a node that left.
pub type Retire<P> = Box<dyn Fn(P) + Send + Sync>;

/// Shared by a cache and its entries.
struct Shared<P> {
    registry: Arc<dyn Registry>,
    strategy: Arc<dyn Strategy>,
    options: Options,
    /// Where sets are kept.
    directory: Option<PathBuf>,
    /// Permits for reading or writing a file, which takes a thread.
    disk: Semaphore,
    fill: Fill<P>,
    retire: Retire<P>,
    rng: Rng,
    /// Version weights in the registry; `None` until the registry has responded or is known to be unreachable.
    weights: watch::Sender<Option<Arc<AllWeights>>>,
}

impl<P: Clone + Send + Sync + 'static> Cache<P> {
    /// Creates a cache over `registry`.
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

    /// Returns the registry.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.shared.registry
    }

    /// Returns the default strategy.
    pub fn strategy(&self) -> &Arc<dyn Strategy> {
        &self.shared.strategy
    }

    /// Returns the entry of a service, without a lock except at the first use.
    ///
    /// # Panics
    /// At the first use of a service outside a tokio runtime.
    pub fn service(&self, name: &str) -> Arc<Entry<P>> {
        if let Some(entry) = self.entries.load().get(name) {
            return entry.clone();
        }
        self.add(name)
    }

    /// Returns the entries of all services in use, by name.
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

    /// Forgets these services, unless somebody besides the caller holds their entries; the watch of version
    /// weights ends with the last entry.
    pub(crate) fn forget<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut weighing = self.weighing.lock();
        let known = self.entries.load();
        // The map and the caller have one each.
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

/// Aborts a task when dropped.
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
