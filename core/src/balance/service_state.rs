//! The state of one service: its nodes, its budget, its counts, the probes of ejected nodes.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::{Settings, Stats, budget::Budget};
use crate::{
    selector::{Cache, Entry, Load, Member, ProbeResult},
    time::{self, Nanos},
    transport::Peer,
};

/// How often a waiting probe checks whether its node has left.
const LOOK: Nanos = 1_000_000_000;

/// A service, as this process calls it.
pub(super) struct ServiceState {
    service: Box<str>,
    /// Its discovered nodes, from the first call that needs them: calls to given addresses do not.
    entry: OnceLock<Arc<Entry<Arc<dyn Peer>>>>,
    pub(super) budget: Budget,
    pub(super) failed: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) hedges: AtomicU64,
    ejections: AtomicU64,
    /// Whether it was looked up by name since the last sweep, and the number of calls then.
    pub(super) used: AtomicBool,
    swept_at: AtomicU64,
    /// One task for each ejected node; they end with this state.
    probes: Mutex<JoinSet<()>>,
}

impl ServiceState {
    pub(super) fn new(service: &str, settings: &Settings, now: Nanos) -> Self {
        ServiceState {
            service: service.into(),
            entry: OnceLock::new(),
            budget: Budget::new(settings.retry_share, settings.retries_per_second, now),
            failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            used: AtomicBool::new(true),
            swept_at: AtomicU64::new(0),
            probes: Mutex::default(),
        }
    }

    /// The service's name.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The discovered nodes; starts discovery if necessary.
    pub(super) fn discovered(&self, cache: &Cache<Arc<dyn Peer>>) -> &Arc<Entry<Arc<dyn Peer>>> {
        self.entry.get_or_init(|| cache.service(&self.service))
    }

    /// The discovered nodes, if discovery has started.
    pub(super) fn entry(&self) -> Option<&Arc<Entry<Arc<dyn Peer>>>> {
        self.entry.get()
    }

    /// Whether only `holders` hold it. Handles to endpoints find another state by the name.
    pub(super) fn is_unheld(self: &Arc<Self>, places: usize) -> bool {
        Arc::strong_count(self) <= places
    }

    /// Whether it was used since this was last called.
    pub(super) fn was_used(&self) -> bool {
        let calls = self.budget.calls();
        let called = self.swept_at.swap(calls, Relaxed) != calls;
        self.used.swap(false, Relaxed) || called
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            calls: self.budget.calls(),
            failed: self.failed.load(Relaxed),
            retries: self.retries.load(Relaxed),
            hedges: self.hedges.load(Relaxed),
            ejections: self.ejections.load(Relaxed),
        }
    }

    /// Counts an ejected node.
    pub(super) fn ejected(&self, member: &Member, until: Nanos, now: Nanos) {
        self.ejections.fetch_add(1, Relaxed);
        tracing::info!(
            node = member.node.id,
            seconds = until.saturating_sub(now) / 1_000_000_000,
            "ejected"
        );
    }

    /// Probes an ejected node until it recovers.
    pub(super) fn probe(&self, load: &Arc<Load>, peer: &Arc<dyn Peer>, until: Nanos) {
        let mut probes = self.probes.lock();
        while probes.try_join_next().is_some() {}
        probes.spawn(probe(Arc::downgrade(load), peer.clone(), until));
    }
}

/// Probes an ejected node when its ejection ends, until it answers or has left.
async fn probe(load: Weak<Load>, peer: Arc<dyn Peer>, mut until: Nanos) {
    loop {
        while time::now() < until {
            let look = until.min(time::now().saturating_add(LOOK));
            tokio::time::sleep_until(time::instant(look)).await;
            if load.strong_count() == 0 {
                return;
            }
        }
        // Snapshots hold it as long as they have the node.
        let wants = load.upgrade().map(|load| load.wants_probe(time::now()));
        if wants != Some(true) {
            // The node has left, or recovered by a call that was sent anyway, or another task probes it.
            return;
        }
        let alive = peer.probe().await.is_ok();
        match load.upgrade().map(|load| load.probed(time::now(), alive)) {
            Some(ProbeResult::Ejected(next)) => until = next,
            _ => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        node::Node, protocols::Socket, random::Rng, selector::Fleet, transport::Transport,
    };

    #[tokio::test(start_paused = true)]
    async fn node_that_has_left_is_not_probed() {
        let now = time::now();
        let load = Arc::new(Load::new(&Arc::new(Fleet::new(Rng::new())), now));
        let peer = Socket::new()
            .open(&Node::new("a", "1", "127.0.0.1:9"))
            .unwrap();
        let probing = tokio::spawn(probe(Arc::downgrade(&load), peer, now + 1_000_000));
        drop(load);
        let ended = tokio::time::timeout(Duration::from_secs(60), probing).await;
        assert!(ended.is_ok(), "the probe goes on");
    }
}
