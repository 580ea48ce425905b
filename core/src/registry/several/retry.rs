//! Retries in the registries that failed, without asking the others.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::{
    error::Error,
    node::Node,
    registry::{Registry, Update, Updates, view::updates},
    time::{self, Nanos},
    wait::Backoff,
};

/// How long a successful registration is not repeated, or a quarter of its time to live if that is shorter.
const PEACE: Duration = Duration::from_secs(15);
/// The longest wait between attempts to begin a watch.
const MAX_WAIT: Duration = Duration::from_secs(3);
/// The shortest time between warnings of one set of registries.
const WARNING: Nanos = 60_000_000_000;

/// The nodes whose last registration failed in a registry, with the times of their successes in others.
#[derive(Default)]
pub(super) struct Retry {
    halves: Mutex<HashMap<(String, String), PartialRegistration>>,
    warned: AtomicU64,
}

/// A registration that succeeded in some registries.
struct PartialRegistration {
    node: Node,
    ttl: Option<Duration>,
    /// By registry.
    taken: Vec<Option<Instant>>,
}

impl Retry {
    /// The registries in which a node must be registered now.
    pub(super) fn due(&self, node: &Node, ttl: Option<Duration>, count: usize) -> Vec<bool> {
        let halves = self.halves.lock();
        let half = halves
            .get(&key(node))
            .filter(|half| half.node == *node && half.ttl == ttl);
        let Some(half) = half else {
            return vec![true; count];
        };
        let peace = ttl.map_or(PEACE, |ttl| PEACE.min(ttl / 4));
        let fresh = |taken: &Option<Instant>| taken.is_some_and(|at| at.elapsed() < peace);
        half.taken.iter().map(|taken| !fresh(taken)).collect()
    }

    /// Records where the registration was due, and where it succeeded.
    pub(super) fn note(&self, node: &Node, ttl: Option<Duration>, due: &[bool], went: &[bool]) {
        let mut halves = self.halves.lock();
        let before = halves.remove(&key(node));
        if went.iter().all(|went| *went) || !went.contains(&true) {
            return;
        }
        let now = Instant::now();
        let before = |index: usize| before.as_ref().and_then(|half| half.taken[index]);
        let taken = due.iter().zip(went).enumerate();
        let taken = taken.map(|(index, marks)| match marks {
            (true, went) => went.then_some(now),
            (false, _) => before(index),
        });
        let half = PartialRegistration {
            node: node.clone(),
            ttl,
            taken: taken.collect(),
        };
        halves.insert(key(node), half);
    }

    /// Forgets a node that is deregistered.
    pub(super) fn forget(&self, node: &Node) {
        self.halves.lock().remove(&key(node));
    }

    /// Warns that some registries could not be asked, at most once a minute.
    pub(super) fn warn(&self, error: &Error) {
        let (now, last) = (time::now(), self.warned.load(Ordering::Relaxed));
        if last == 0 || now.saturating_sub(last) >= WARNING {
            self.warned.store(now, Ordering::Relaxed);
            tracing::warn!(%error, "some registries did not answer; showing what the others have");
        }
    }
}

fn key(node: &Node) -> (String, String) {
    (node.service.clone(), node.id.clone())
}

/// A watch that restarts when it cannot begin, or ends; it reports this, and never ends.
pub(super) fn watch(registry: Arc<dyn Registry>, service: Option<&str>) -> Updates {
    let following = Following {
        registry,
        service: service.map(str::to_owned),
        updates: None,
        backoff: Backoff::up_to(MAX_WAIT),
        lost: None,
        again: Instant::now(),
    };
    updates(following, Following::step)
}

struct Following {
    registry: Arc<dyn Registry>,
    service: Option<String>,
    updates: Option<Updates>,
    backoff: Backoff,
    /// Since when no watch could begin.
    lost: Option<Instant>,
    again: Instant,
}

impl Following {
    async fn step(mut self) -> (Self, Update) {
        loop {
            let Some(updates) = &mut self.updates else {
                sleep_until(self.again).await;
                match self.registry.watch(self.service.as_deref()).await {
                    Ok(updates) => self.updates = Some(updates),
                    Err(error) => return self.lose(error),
                }
                continue;
            };
            return match std::future::poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
                Some(update) => {
                    if matches!(update, Update::Set { .. }) {
                        self.backoff.reset();
                        self.lost = None;
                    }
                    (self, update)
                }
                None => {
                    self.updates = None;
                    self.lose(Error::unavailable("the watch ended"))
                }
            };
        }
    }

    fn lose(mut self, error: Error) -> (Self, Update) {
        let now = Instant::now();
        let since = self.lost.get_or_insert(now).elapsed();
        self.again = now + self.backoff.next_wait();
        (self, Update::Stale { since, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Option<Duration> = Some(Duration::from_secs(60));

    #[tokio::test(start_paused = true)]
    async fn only_failed_registries_are_retried_at_once() {
        let (retry, node) = (Retry::default(), Node::new("a", "1", "h:1"));
        assert_eq!(retry.due(&node, TTL, 2), [true, true]);
        retry.note(&node, TTL, &[true, true], &[true, false]);
        assert_eq!(retry.due(&node, TTL, 2), [false, true]);
        retry.note(&node, TTL, &[false, true], &[true, false]);
        assert_eq!(retry.due(&node, TTL, 2), [false, true]);
        let changed = node.clone().with_version("2");
        assert_eq!(retry.due(&changed, TTL, 2), [true, true], "another record");
        tokio::time::advance(PEACE).await;
        assert_eq!(retry.due(&node, TTL, 2), [true, true], "it is renewed");
        retry.note(&node, TTL, &[true, true], &[true, true]);
        assert_eq!(retry.due(&node, TTL, 2), [true, true], "it went well");
    }
}
