//! Follows a service in the registry: watches again when a watch ends, and distrusts an empty set for a while.

use std::{future::poll_fn, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    error::Error,
    node::Node,
    random::Rng,
    registry::{Registry, Update, Updates},
    time::{self, Nanos},
    wait::{Backoff, until},
};

/// The longest wait between watches that fail.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// A registry that takes longer to begin a watch counts as unreachable.
const BEGIN: Duration = Duration::from_secs(10);

/// What the registry reports of a service.
pub(super) enum NodeReport {
    /// The nodes of the service.
    Nodes(Vec<Arc<Node>>),
    /// The registry has been unreachable since a time.
    Stale(Nanos, Error),
}

/// A service that is followed.
pub(super) struct Follow<H> {
    registry: Arc<dyn Registry>,
    service: String,
    grace: Duration,
    rng: Rng,
    /// Whether there are nodes that an empty set would remove.
    holds: H,
    updates: Option<Updates>,
    backoff: Backoff,
    /// When to watch again after a failed watch.
    again: Option<Instant>,
    /// Until when an empty set without authority is not believed.
    doubt: Option<Instant>,
}

impl<H: Fn() -> bool> Follow<H> {
    pub(super) fn new(
        registry: Arc<dyn Registry>,
        service: &str,
        grace: Duration,
        rng: Rng,
        holds: H,
    ) -> Self {
        Follow {
            registry,
            service: service.to_owned(),
            grace,
            rng,
            holds,
            updates: None,
            backoff: Backoff::up_to(MAX_WAIT),
            again: None,
            doubt: None,
        }
    }

    /// Returns the next report to act on. Does not end.
    pub(super) async fn next(&mut self) -> NodeReport {
        loop {
            let Some(updates) = &mut self.updates else {
                match self.watch().await {
                    Ok(updates) => self.updates = Some(updates),
                    Err(error) => return self.lost(error),
                }
                continue;
            };
            let update = tokio::select! {
                biased;
                update = poll_fn(|cx| updates.as_mut().poll_next(cx)) => update,
                () = until(self.doubt) => {
                    self.doubt = None;
                    return NodeReport::Nodes(Vec::new());
                }
            };
            match update {
                None => {
                    self.updates = None;
                    return self.lost(Error::unavailable("the watch ended"));
                }
                Some(Update::Stale { since, error }) => {
                    self.doubt = None;
                    let since = time::now().saturating_sub(time::nanos(since));
                    return NodeReport::Stale(since, error);
                }
                Some(Update::Set { service, .. }) if service != self.service => {}
                Some(Update::Set {
                    nodes,
                    authoritative,
                    ..
                }) => {
                    self.backoff.reset();
                    if nodes.is_empty() && !authoritative && (self.holds)() {
                        self.doubt
                            .get_or_insert_with(|| Instant::now() + self.grace);
                        continue;
                    }
                    self.doubt = None;
                    return NodeReport::Nodes(nodes);
                }
            }
        }
    }

    /// Watches again; the known nodes stay until the new watch reports others.
    pub(super) fn ask_again(&mut self) {
        self.updates = None;
    }

    /// Begins a watch, after a wait if the last one failed.
    async fn watch(&mut self) -> Result<Updates, Error> {
        if let Some(again) = self.again {
            sleep_until(again).await;
            self.again = None;
        }
        match timeout(BEGIN, self.registry.watch(Some(&self.service))).await {
            Ok(begun) => begun,
            Err(_) => Err(Error::unavailable(format!("no answer in {BEGIN:?}"))),
        }
    }

    fn lost(&mut self, error: Error) -> NodeReport {
        self.again = Some(Instant::now() + self.backoff.next_wait_by(self.rng.number()));
        self.doubt = None;
        NodeReport::Stale(time::now(), error)
    }
}
