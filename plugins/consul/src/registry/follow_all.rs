//! Watches all services: two queries show which services may have changed, and only those are read.
//!
//! The catalog has the service names, each with the union of its nodes' tags. The health state has every check, thus
//! every node with a TTL. Other changes, such as one more node without a TTL, still raise the catalog's index: all
//! services are then read after a delay.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Server,
    query::{Query, QueryResponse},
    record::Health,
    tags::Reader,
};
use micro_core::{Error, Result, http::client::Answer, registry::remote::Reconciler, wait::until};

/// Services read at the same time.
const MAX_CONCURRENT_READS: usize = 4;
/// Changes within this time are read together.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);
/// Delay before all services are read after a change that no response explains.
const FULL_READ_DELAY: Duration = Duration::from_secs(30);

/// A check, of a service or of a whole Consul node.
#[derive(Deserialize, Hash)]
#[serde(rename_all = "PascalCase")]
struct ServiceCheck {
    node: String,
    #[serde(rename = "CheckID")]
    check_id: String,
    status: String,
    #[serde(default)]
    service_name: String,
    #[serde(default)]
    create_index: u64,
    #[serde(default)]
    modify_index: u64,
}

/// Services to read, by their names in Consul.
#[derive(Default)]
struct PendingReads {
    services: Mutex<BTreeSet<String>>,
    more: Notify,
    /// When to read all services.
    all: Mutex<Option<Instant>>,
    /// Whether a connection was lost, so that nodes missing from the response may still be there.
    doubtful: AtomicBool,
}

/// A fingerprint of the records of each service; a different fingerprint means a change.
type Fingerprints = HashMap<String, u64>;

impl Server {
    /// Follows all services until the host is lost.
    pub(super) async fn follow_all(self: &Arc<Self>, shown: &Arc<Reconciler>) -> Error {
        let followed: Result<Infallible> = self.try_follow_all(shown).await;
        match followed {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn try_follow_all(self: &Arc<Self>, shown: &Arc<Reconciler>) -> Result<Infallible> {
        let random = RandomState::new();
        let mut catalog = Query::new(self, "/v1/catalog/services?stale=".to_owned());
        let mut state = Query::new(self, "/v1/health/state/any?stale=".to_owned());
        let mut names = names(&catalog.next().await?.answer, &random)?;
        if names.is_empty() {
            // The service `consul` itself should be listed.
            self.all_names().await?;
        }
        let mut checks = checks(&state.next().await?.answer, &random)?;
        let mut reader = Reader::default();
        let mut whole = Vec::new();
        let read = |_: &str, health: Health| whole.extend(health.nodes);
        self.read(names.keys().cloned().collect(), &mut reader, read)
            .await?;
        shown.whole(whole);
        let pending = PendingReads::default();
        let by_name = async {
            loop {
                let changed = catalog.next().await?;
                pending.note_gap(&changed);
                let now = self::names(&changed.answer, &random)?;
                if !pending.note_changes(&names, &now) {
                    pending
                        .all
                        .lock()
                        .get_or_insert(Instant::now() + FULL_READ_DELAY);
                    pending.more.notify_one();
                }
                names = now;
            }
        };
        let by_check = async {
            loop {
                let changed = state.next().await?;
                pending.note_gap(&changed);
                let now = self::checks(&changed.answer, &random)?;
                pending.note_changes(&checks, &now);
                // A check without a service is one of a Consul node and affects all services of that node.
                if checks.get("") != now.get("") {
                    pending.note_changes(&now, &Fingerprints::new());
                }
                checks = now;
            }
        };
        let reading = async {
            loop {
                let services = pending.next(self).await?;
                let doubtful = pending.doubtful.swap(false, Ordering::Relaxed);
                let set = |service: &str, health: Health| match doubtful {
                    true => shown.again(service, health.nodes),
                    false => shown.set(service, health.nodes, health.expired),
                };
                self.read(services, &mut reader, set).await?;
                sleep(BATCH_INTERVAL).await;
            }
        };
        tokio::select! {
            failed = by_name => failed,
            failed = by_check => failed,
            failed = reading => failed,
        }
    }

    /// Reads services, a few at a time. Skips services of other fleets.
    async fn read(
        self: &Arc<Self>,
        services: BTreeSet<String>,
        reader: &mut Reader,
        mut then: impl FnMut(&str, Health),
    ) -> Result<()> {
        let inner = services.iter().filter_map(|name| self.names.inner(name));
        let mut left: Vec<String> = inner.collect();
        // Dropping the set aborts the reads.
        let mut asked: JoinSet<(String, Result<Answer>)> = JoinSet::new();
        loop {
            while asked.len() < MAX_CONCURRENT_READS
                && let Some(service) = left.pop()
            {
                let server = self.clone();
                asked.spawn(async move {
                    let answer = server.ask(&server.health_of(&service)).await;
                    (service, answer)
                });
            }
            let Some(answered) = asked.join_next().await else {
                return Ok(());
            };
            let (service, answer) = answered
                .map_err(|error| Error::internal("a read ended early").with_source(error))?;
            let health = self.health(&service, &answer?, reader)?;
            then(&service, health);
        }
    }
}

impl PendingReads {
    fn note_gap(&self, changed: &QueryResponse) {
        if !changed.is_continuous {
            self.doubtful.store(true, Ordering::Relaxed);
        }
    }

    /// Adds the services that differ. Returns whether there are any.
    fn note_changes(&self, before: &Fingerprints, now: &Fingerprints) -> bool {
        let new = now
            .iter()
            .filter(|(name, print)| before.get(*name) != Some(print));
        let gone = before.keys().filter(|name| !now.contains_key(*name));
        let mut services = self.services.lock();
        let mut any = false;
        for name in new.map(|(name, _)| name).chain(gone) {
            services.insert(name.clone());
            any = true;
        }
        self.more.notify_one();
        any
    }

    /// Waits for services to read.
    async fn next(&self, server: &Server) -> Result<BTreeSet<String>> {
        loop {
            let services = std::mem::take(&mut *self.services.lock());
            if !services.is_empty() {
                return Ok(services);
            }
            let all = *self.all.lock();
            tokio::select! {
                () = self.more.notified() => {}
                () = until(all) => {
                    *self.all.lock() = None;
                    return server.all_names().await;
                }
            }
        }
    }
}

fn names(answer: &Answer, random: &RandomState) -> Result<Fingerprints> {
    let names: BTreeMap<String, BTreeSet<String>> = answer.json()?;
    let print = |(name, tags)| (name, random.hash_one(tags));
    Ok(names.into_iter().map(print).collect())
}

fn checks(answer: &Answer, random: &RandomState) -> Result<Fingerprints> {
    let checks: Vec<ServiceCheck> = answer.json()?;
    let mut prints = Fingerprints::new();
    for check in checks {
        let print = prints.entry(check.service_name.clone()).or_default();
        // The sum does not depend on the order of checks.
        *print = print.wrapping_add(random.hash_one(&check));
    }
    Ok(prints)
}
