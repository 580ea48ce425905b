//! Keeps a node registered: the first registration, and its renewals.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Registry, may_pass};
use crate::{
    error::{Error, Result, details::reason},
    node::Node,
    random::Rng,
};

/// The longest wait after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait while another instance has the node's id.
const ID_IN_USE_INTERVAL: Duration = Duration::from_secs(5);
/// The shortest time between warnings of one outage, and of outages in a row.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Registers nodes of this process, renews them, and computes when the next renewal is due.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use micro_core::{node::Node, random::Rng, registry::{Memory, Renewal}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> micro_core::Result<()> {
/// let node = Node::new("greeter", "greeter-1", "10.0.0.1:80");
/// let (ttl, interval) = (Duration::from_secs(60), Duration::from_secs(30));
/// let renewal = Renewal::new(Arc::new(Memory::new()), ttl, interval, Rng::new());
///
/// let mut pending = renewal.begin(&node).await?;
/// for _ in 0..3 {
///     tokio::time::sleep(renewal.wait(pending.as_ref())).await;
///     pending = renewal.renew(&node).await.err();
/// }
/// # Ok(())
/// # }
/// ```
pub struct Renewal {
    registry: Arc<dyn Registry>,
    ttl: Duration,
    interval: Duration,
    rng: Rng,
    /// When the last warning was logged.
    warned: Mutex<Option<Instant>>,
}

impl Renewal {
    /// Creates registrations that last `ttl` and are renewed every `interval`, or every third of `ttl` if that interval leaves
    /// no second try.
    pub fn new(registry: Arc<dyn Registry>, ttl: Duration, interval: Duration, rng: Rng) -> Self {
        let interval = match interval > ttl / 2 {
            true => (ttl / 3).max(Duration::from_millis(1)),
            false => interval,
        };
        Renewal {
            registry,
            ttl,
            interval,
            rng,
            warned: Mutex::default(),
        }
    }

    /// The registry of the nodes.
    pub fn registry(&self) -> &dyn Registry {
        &*self.registry
    }

    /// Registers a node for the first time. Returns the failure if a remote registry is unreachable, full or busy: the node
    /// is then not registered yet, and a renewal registers it.
    ///
    /// # Errors
    /// A registration that the registry refuses, which a renewal would not change.
    pub async fn begin(&self, node: &Node) -> Result<Option<Error>> {
        match self.register(node).await {
            Ok(()) => Ok(None),
            Err(error) if may_pass(&error) && self.registry.is_remote() => {
                self.warn(node, &error, "not registered yet; trying again each second");
                Ok(Some(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Renews the registration of a node. Logs a warning of a failure, at most once a minute.
    ///
    /// # Errors
    /// Those of the registry.
    pub async fn renew(&self, node: &Node) -> Result<()> {
        let renewed = self.register(node).await;
        match &renewed {
            Ok(()) => {}
            Err(error) if is_in_use(error) => {
                self.warn(
                    node,
                    error,
                    "another instance has this node's id; serving on",
                );
            }
            Err(error) => {
                self.warn(node, error, "could not renew the registration; serving on");
            }
        }
        renewed
    }

    /// Returns the wait before the next renewal, given the failure of the last one, if any.
    ///
    /// Up to a fifth less than the interval, so that nodes that started together do not renew together; never more, since
    /// a watch waits one interval for the nodes of a registry that lost its data.
    pub fn wait(&self, failure: Option<&Error>) -> Duration {
        let wait = match failure {
            None => self.interval,
            Some(error) if is_in_use(error) => self.interval.min(ID_IN_USE_INTERVAL),
            Some(_) => self.interval.min(RETRY_INTERVAL),
        };
        let thousandths = 800 + self.rng.number() % 201;
        wait.mul_f64(thousandths as f64 / 1000.0)
    }

    async fn register(&self, node: &Node) -> Result<()> {
        self.registry.register(node, Some(self.ttl)).await
    }

    fn warn(&self, node: &Node, error: &Error, what: &'static str) {
        let mut warned = self.warned.lock();
        if warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            *warned = Some(Instant::now());
            tracing::warn!(id = node.id, %error, "{what}");
        }
    }
}

/// Whether the failure is that another instance has the node's id.
fn is_in_use(error: &Error) -> bool {
    error.reason().as_deref() == Some(reason::ID_IN_USE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::registry::{Memory, id_in_use};

    fn renewal(ttl: u64, interval: u64) -> Renewal {
        let registry = Arc::new(Memory::new());
        let (ttl, interval) = (Duration::from_secs(ttl), Duration::from_secs(interval));
        Renewal::new(registry, ttl, interval, Rng::new())
    }

    fn assert_within_a_fifth(wait: Duration, most: Duration) {
        assert!(
            most.mul_f64(0.8) <= wait && wait <= most,
            "{wait:?} of {most:?}"
        );
    }

    #[test]
    fn wait_is_the_interval_and_shorter_after_a_failure() {
        let renewal = renewal(60, 30);
        let node = Node::new("a", "1", "h:1");
        let (away, taken) = (Error::unavailable("away"), id_in_use(&node, "h:2"));
        assert_within_a_fifth(renewal.wait(None), Duration::from_secs(30));
        assert_within_a_fifth(renewal.wait(Some(&away)), Duration::from_secs(1));
        assert_within_a_fifth(renewal.wait(Some(&taken)), Duration::from_secs(5));
    }

    #[test]
    fn interval_leaves_time_for_a_second_try() {
        let third = Duration::from_secs(20);
        assert_within_a_fifth(renewal(60, 31).wait(None), third);
        let shortest = Duration::from_millis(1);
        assert_within_a_fifth(renewal(0, 1).wait(None), shortest);
    }

    #[tokio::test(start_paused = true)]
    async fn renewed_node_stays_past_its_time_to_live() {
        let renewal = renewal(60, 30);
        let node = Node::new("a", "1", "h:1");
        let mut pending = renewal.begin(&node).await.unwrap();
        for _ in 0..10 {
            tokio::time::sleep(renewal.wait(pending.as_ref())).await;
            assert_eq!(renewal.registry().get("a").await.unwrap().len(), 1);
            pending = renewal.renew(&node).await.err();
        }
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(renewal.registry().get("a").await.unwrap().is_empty());
    }
}
