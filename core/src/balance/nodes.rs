//! The nodes of a service, for callers that address each of them.

use std::sync::Arc;

use arc_swap::Guard;

use super::{Balance, Inner, MAX_SERVICES};
use crate::{
    context::Context,
    error::Result,
    node::Node,
    selector::{Entry, Set},
    time::{self, NEVER, Nanos, nanos},
    transport::Peer,
};

/// The nodes of a service at one time.
pub(crate) type Nodes = Set<Arc<dyn Peer>>;

impl Balance {
    /// Returns the present nodes of a service; waits for the first set of a service that was never called.
    ///
    /// For a second, waits for the registry's set even if one was read from disk: a caller that reaches each node does
    /// not try others, and would miss those that joined since.
    ///
    /// # Errors
    /// Those of [`Entry::ready`](crate::selector::Entry::ready).
    pub(crate) async fn nodes(&self, service: &str, context: &Context) -> Result<Arc<Nodes>> {
        const OWN: u64 = 1_000_000_000;
        let now = time::now();
        let entry = self.0.entry(service, now);
        let deadline = match context.deadline() {
            NEVER => now + nanos(self.0.settings.timeout),
            deadline => deadline,
        };
        entry.ready(deadline).await?;
        entry.settle(deadline.min(now + OWN)).await;
        Ok(Guard::into_inner(entry.load()))
    }

    /// Whether one of the present nodes of a service fulfils a condition.
    pub(crate) fn any(&self, service: &str, such: impl Fn(&Node) -> bool) -> bool {
        let entry = self.0.entry(service, time::now());
        let nodes = entry.load();
        let members = nodes.snapshot().members();
        members.iter().any(|member| such(&member.node))
    }

    /// Waits until a node is discovered, if its service was ever called.
    pub(crate) async fn see(&self, service: &str, id: &str) {
        let service_state = self.0.service_states.load().get(service).cloned();
        if let Some(entry) = service_state
            .as_ref()
            .and_then(|service_state| service_state.entry())
        {
            entry.see(id).await;
        }
    }
}

impl Inner {
    fn entry(&self, service: &str, now: Nanos) -> Arc<Entry<Arc<dyn Peer>>> {
        let service_state = self.find_lane(service, now, MAX_SERVICES);
        service_state.discovered(&self.cache).clone()
    }
}
