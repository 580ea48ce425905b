//! The registration of a service's node: made, kept up, and made good when the registry was away.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::Lifecycle;
use crate::{
    error::{Code, Error, Result},
    registry::{Node, Registry},
    selector::Rng,
    server::Status,
};

/// Between tries while the registry is away.
const AGAIN: Duration = Duration::from_secs(1);
/// Between warnings of one outage, and of outages in a row.
const WARNING: Duration = Duration::from_secs(60);

/// What registers a node, again and again.
pub(super) struct Renewal {
    registry: Arc<dyn Registry>,
    node: Node,
    lifecycle: Lifecycle,
    status: Arc<Status>,
    rng: Rng,
    warned: Option<Instant>,
}

impl Renewal {
    pub(super) fn new(
        registry: Arc<dyn Registry>,
        node: Node,
        lifecycle: Lifecycle,
        status: Arc<Status>,
        rng: Rng,
    ) -> Self {
        Renewal {
            registry,
            node,
            lifecycle,
            status,
            rng,
            warned: None,
        }
    }

    /// Registers it for the first time; whether it is registered now. A server that is away does not fail this, as it
    /// may come; what a registry refuses does.
    pub(super) async fn begin(&mut self) -> Result<bool> {
        let registered = self.register().await;
        match &registered {
            Err(error) if error.code() == Code::Unavailable && self.registry.is_remote() => {
                self.warn(
                    error,
                    "not registered yet; serving, and trying again each second",
                );
            }
            Err(error) => return Err(error.clone()),
            Ok(()) => {}
        }
        let is_registered = registered.is_ok();
        self.status.registered(registered);
        Ok(is_registered)
    }

    /// Registers it again before each time to live has passed, sooner after a failure. Does not end.
    pub(super) async fn run(mut self, mut registered: bool) {
        loop {
            let interval = self.lifecycle.register_interval;
            let wait = match registered {
                true => interval,
                false => interval.min(AGAIN),
            };
            sleep(self.jittered(wait)).await;
            let renewed = self.register().await;
            match &renewed {
                Err(error) => self.warn(error, "could not renew the registration; serving on"),
                Ok(()) if !registered => {
                    tracing::info!(
                        id = self.node.id,
                        registry = self.registry.name(),
                        "registered"
                    );
                }
                Ok(()) => {}
            }
            registered = renewed.is_ok();
            self.status.registered(renewed);
        }
    }

    async fn register(&self) -> Result<()> {
        let ttl = Some(self.lifecycle.register_ttl);
        self.registry.register(&self.node, ttl).await
    }

    fn warn(&mut self, error: &Error, what: &'static str) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARNING) {
            self.warned = Some(Instant::now());
            tracing::warn!(%error, "{what}");
        }
    }

    /// Up to a fifth less, so that a fleet that came at once does not renew at once; never more, as who doubts a registry
    /// that forgot gives all one interval to come back.
    fn jittered(&self, wait: Duration) -> Duration {
        let thousandths = 800 + self.rng.number() % 201;
        wait.mul_f64(thousandths as f64 / 1000.0)
    }
}
