//! What the loop knows of a service's nodes, for those who address them one by one.

use std::sync::Arc;

use arc_swap::Guard;

use super::Balance;
use crate::{
    context::Context,
    error::Result,
    node::Node,
    selector::Set,
    time::{self, NEVER, nanos},
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
        let entry = self.0.find_lane(service, now).entry.clone();
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
        let entry = self.0.find_lane(service, time::now()).entry.clone();
        let nodes = entry.load();
        let members = nodes.snapshot().members();
        members.iter().any(|member| such(&member.node))
    }

    /// Waits until a node is seen, if its service was ever asked for.
    pub(crate) async fn see(&self, service: &str, id: &str) {
        let entry = self.0.lanes.load().get(service).map(|l| l.entry.clone());
        if let Some(entry) = entry {
            entry.see(id).await;
        }
    }
}
