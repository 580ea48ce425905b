//! The registration of a service's node: made, kept up, and made good when the registry was away.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::Lifecycle;
use micro_core::{
    error::{Error, Result, details::reason},
    node::Node,
    random::Rng,
    registry::{Registry, may_pass},
    server::Status,
    time,
};

/// Between tries while the registry is away.
const AGAIN: Duration = Duration::from_secs(1);
/// Between tries while another instance has the node's id.
const IN_USE: Duration = Duration::from_secs(5);
/// How long other instances are looked for before the first registration.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection to one of them may take.
const CONNECT: Duration = Duration::from_millis(500);
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
    /// The address of a live instance that was registered under our id before us.
    rival: Option<String>,
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
            rival: None,
        }
    }

    /// Registers it for the first time; whether it is registered now. A server that is away, full or busy does not fail
    /// this, as that may pass; what a registry refuses otherwise does.
    pub(super) async fn begin(&mut self) -> Result<bool> {
        self.look_for_rival().await;
        let registered = self.register().await;
        match &registered {
            Err(error) if may_pass(error) && self.registry.is_remote() => {
                self.warn(
                    error,
                    "not registered yet; serving, and trying again each second",
                );
            }
            Err(error) => return Err(error.clone()),
            Ok(()) => {}
        }
        let is_registered = registered.is_ok();
        self.note(registered);
        Ok(is_registered)
    }

    /// Registers it again before each time to live has passed, sooner after a failure. Does not end.
    pub(super) async fn run(mut self, mut registered: bool) {
        let interval = self.lifecycle.register_interval;
        let mut was_registered = registered;
        let mut wait = match registered {
            true => interval,
            false => interval.min(AGAIN),
        };
        loop {
            sleep(self.jittered(wait)).await;
            match was_registered {
                true => self.look_after_rival().await,
                false => self.look_for_rival().await,
            }
            let renewed = self.register().await;
            match &renewed {
                Err(error) if is_in_use(error) => {
                    self.warn(error, "another instance has this node's id; serving on");
                }
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
            was_registered |= registered;
            wait = match &renewed {
                Ok(()) => interval,
                Err(error) if is_in_use(error) => interval.min(IN_USE),
                Err(_) => interval.min(AGAIN),
            };
            self.note(renewed);
        }
    }

    fn note(&self, registered: Result<()>) {
        let lapses = time::now().saturating_add(time::nanos(self.lifecycle.register_ttl));
        self.status.registered(registered, lapses);
    }

    /// Before our record takes the place of another: warns if its instance is alive.
    async fn look_for_rival(&mut self) {
        if self.registry.only_reads() {
            return;
        }
        let asked = timeout(LOOK, self.registry.get(&self.node.service)).await;
        // What is wrong with the registry, registering tells.
        let nodes = asked.ok().and_then(Result::ok).unwrap_or_default();
        let is_other = |node: &Node| node.id == self.node.id && node.address != self.node.address;
        let Some(other) = nodes.into_iter().find(is_other) else {
            return;
        };
        if !is_alive(&other.address).await || self.rival.as_ref() == Some(&other.address) {
            return;
        }
        let (id, other) = (&self.node.id, other.address);
        let text = format!(
            "another live instance, at `{other}`, was registered as node `{id}`; give each instance its own id \
             (`--server-id`)"
        );
        tracing::warn!(id, other, "{text}");
        self.status.conflicts(Some(text));
        self.rival = Some(other);
    }

    /// Ends the conflict once the other instance has ended.
    async fn look_after_rival(&mut self) {
        if let Some(rival) = &self.rival
            && !is_alive(rival).await
        {
            self.rival = None;
            self.status.conflicts(None);
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

/// Whether the failure is that another instance has the node's id.
fn is_in_use(error: &Error) -> bool {
    error.reason().as_deref() == Some(reason::ID_IN_USE)
}

/// Whether something listens at an address. Of one that is not of TCP nothing is known, so it may.
async fn is_alive(address: &str) -> bool {
    let port = address.rsplit_once(':').map(|(_, port)| port);
    if port.is_none_or(|port| port.parse::<u16>().is_err()) {
        return true;
    }
    timeout(CONNECT, TcpStream::connect(address))
        .await
        .is_ok_and(|connected| connected.is_ok())
}
