//! The entry of one service in the cache.

use std::{sync::Arc, time::Duration};

use arc_swap::Guard;

use super::{
    Ends, Shared,
    state::{DiscoveryState, Inner},
    task,
};
use crate::{
    error::{Error, Outcome, Result, details::reason},
    selector::{Filter, Set, VersionWeights},
    time,
};

/// The nodes of one service, updated by a task that ends with the entry.
pub struct Entry<P: Clone> {
    inner: Arc<Inner<P>>,
    _task: Ends,
}

impl<P: Clone + Send + Sync + 'static> Entry<P> {
    pub(super) fn start(service: &str, shared: Arc<Shared<P>>) -> Self {
        let inner = Arc::new(Inner::new(service, shared));
        let task = Ends(tokio::spawn(task::run(inner.clone())));
        Entry { inner, _task: task }
    }

    /// Returns the service's name.
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// Returns the present set, without a lock or an allocation. Must not be held over an await.
    pub fn load(&self) -> Guard<Arc<Set<P>>> {
        self.inner.load()
    }

    /// Returns the nodes of the present set that pass a filter; see [`Set::filtered`].
    pub fn filtered(&self, filter: &dyn Filter) -> Arc<Set<P>> {
        self.inner.load().filtered(filter)
    }

    /// Waits for the first set, until a time of this crate's clock in nanoseconds; returns at once if there is one.
    ///
    /// # Errors
    /// All [`Code::Unavailable`](crate::Code::Unavailable) with [`Outcome::NotSent`]: with the reason `NO_NODES` if the
    /// service has no nodes, without it if the registry cannot be reached and no set was kept on disk.
    pub async fn ready(&self, deadline: u64) -> Result<()> {
        if !self.load().snapshot().is_empty() {
            return Ok(());
        }
        let known = tokio::time::timeout_at(time::instant(deadline), self.inner.something()).await;
        let known = known.unwrap_or(DiscoveryState::Nothing);
        if !self.load().snapshot().is_empty() {
            return Ok(());
        }
        let service = self.service();
        // A handler may pass the message on to its own caller, who must not learn about the registry.
        let registry = self.inner.shared.registry.name();
        let error = match known {
            DiscoveryState::Kept | DiscoveryState::Nodes => Error::unavailable(format!(
                "no service `{service}` is registered; start it or check the name"
            ))
            .with_reason(reason::NO_NODES),
            DiscoveryState::Failure(cause) => {
                let cause = cause.context(format_args!("registry `{registry}`"));
                Error::unavailable(format!("service `{service}` cannot be looked up"))
                    .with_source(cause)
            }
            DiscoveryState::Nothing => {
                let cause = format!("registry `{registry}` did not answer in time");
                Error::unavailable(format!("service `{service}` cannot be looked up"))
                    .with_source(cause)
            }
        };
        Err(error.with_outcome(Outcome::NotSent))
    }

    /// Waits until the set is from the registry and not from disk, or the registry is lost;
    /// until a time of this crate's clock in nanoseconds.
    pub(crate) async fn settle(&self, deadline: u64) {
        // After the time, the set is used as it is.
        let _ = tokio::time::timeout_at(time::instant(deadline), self.inner.settled()).await;
    }

    /// Whether the service ever had a node.
    pub(crate) fn had_nodes(&self) -> bool {
        self.inner.had_nodes()
    }

    /// Asks the registry again, since a node that it shows is known to be gone; at most once a second.
    pub(crate) fn ask_again(&self, now: u64) {
        self.inner.ask_again(now);
    }

    /// Waits until a node with this id is in the set.
    pub(crate) async fn see(&self, id: &str) {
        self.inner.see(id).await;
    }

    /// Returns for how long the set may have been out of date: zero while the registry responds.
    pub fn age(&self) -> Duration {
        self.inner.age()
    }

    /// Sets shares of traffic by version; an empty map removes them.
    ///
    /// Weights in the registry, which an operator sets, take precedence.
    pub fn set_weights(&self, weights: VersionWeights) {
        self.inner.set_weights(weights);
    }
}
