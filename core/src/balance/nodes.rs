//! What the loop knows of a service's nodes, for those who address them one by one.

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
    /// The nodes of a service as they are now; waits for the first set of one that was never asked for.
    ///
    /// For a second it waits for the registry's own set even where one was kept on disk: nobody tries another node
    /// where each is to be reached, and those that came since would be left out.
    ///
    /// # Errors
    /// As those of [`Entry::ready`](crate::selector::Entry::ready).
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

    /// Whether one of the nodes of a service, as they are now, is such.
    pub(crate) fn any(&self, service: &str, such: impl Fn(&Node) -> bool) -> bool {
        let entry = self.0.entry(service, time::now());
        let nodes = entry.load();
        let members = nodes.snapshot().members();
        members.iter().any(|member| such(&member.node))
    }

    /// Waits until a node is seen, if its service was ever asked for.
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
