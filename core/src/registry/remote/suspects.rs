//! Nodes that are shown although the server lacks them, or has them as dead: until when, and why.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// How long a node is shown that the server lacks: longer than nodes take to register again, which is 30 s.
const GRACE: Duration = Duration::from_secs(45);
/// The time in which the other nodes of a service may expire, too: then the server was at fault.
const SETTLE: Duration = Duration::from_secs(3);

/// A service's name and a node's id.
type Key = (String, String);

/// The suspect nodes.
#[derive(Default)]
pub(super) struct SuspectSet(BTreeMap<Key, Suspicion>);

struct Suspicion {
    until: Instant,
    /// Whether it expired while we watched, so that the other nodes of its service show whose fault it was.
    expired: bool,
    /// Whether it was missing when the server was asked again, so that its absence tells nothing more.
    missing: bool,
}

impl SuspectSet {
    /// Adds a node that the server, asked again, does not have.
    pub(super) fn miss(&mut self, service: &str, id: &str) {
        let doubt = self.0.entry(key(service, id)).or_insert_with(|| Suspicion {
            until: Instant::now() + GRACE,
            expired: false,
            missing: true,
        });
        doubt.missing = true;
    }

    /// Adds a node that was not renewed in time.
    pub(super) fn expire(&mut self, service: &str, id: &str) {
        let doubt = self.0.entry(key(service, id)).or_insert_with(|| Suspicion {
            until: Instant::now() + SETTLE,
            expired: true,
            missing: false,
        });
        doubt.missing = false;
    }

    /// Removes a node that is not suspect any more.
    pub(super) fn end(&mut self, service: &str, id: &str) {
        self.0.remove(&key(service, id));
    }

    pub(super) fn has(&self, service: &str, id: &str) -> bool {
        self.0.contains_key(&key(service, id))
    }

    pub(super) fn is_missing(&self, service: &str, id: &str) -> bool {
        let doubt = self.0.get(&key(service, id));
        doubt.is_some_and(|doubt| doubt.missing)
    }

    /// The nodes whose suspicion is due.
    pub(super) fn due(&self) -> Vec<Key> {
        let now = Instant::now();
        let due = self.0.iter().filter(|(_, doubt)| doubt.until <= now);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Whether a node that is due gets more time, since it expired together with all others of its service.
    pub(super) fn prolong(&mut self, key: &Key) -> bool {
        let Some(doubt) = self.0.get_mut(key) else {
            return false;
        };
        if doubt.expired {
            doubt.until = Instant::now() + GRACE;
        }
        std::mem::take(&mut doubt.expired)
    }

    /// When the next node is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|doubt| doubt.until).min()
    }
}

fn key(service: &str, id: &str) -> Key {
    (service.to_owned(), id.to_owned())
}
