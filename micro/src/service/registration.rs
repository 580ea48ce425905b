//! The registration of a service's node: the first one, its renewal, and its recovery after an outage of the registry.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::Lifecycle;
use micro_core::{
    error::{Error, Result},
    node::Node,
    random::Rng,
    registry::{Registry, Renewal},
    server::Status,
    time,
};

/// How long the first registration looks for other instances with the same id.
const LOOK: Duration = Duration::from_secs(1);
/// How long connecting to one of them may take.
const CONNECT: Duration = Duration::from_millis(500);

/// Registers a node repeatedly, and reports the result in the service's status.
pub(super) struct Registration {
    renewal: Renewal,
    node: Node,
    ttl: Duration,
    status: Arc<Status>,
    /// The address of a live instance that was registered with our id before us.
    rival: Option<String>,
}

impl Registration {
    pub(super) fn new(
        registry: Arc<dyn Registry>,
        node: Node,
        lifecycle: &Lifecycle,
        status: Arc<Status>,
        rng: Rng,
    ) -> Self {
        let ttl = lifecycle.register_ttl;
        Registration {
            renewal: Renewal::new(registry, ttl, lifecycle.register_interval, rng),
            node,
            ttl,
            status,
            rival: None,
        }
    }

    /// Registers the node for the first time, and returns why it is not registered yet, if so. A server that is
    /// unreachable, full or busy is no error, since this may pass; a registration that is refused otherwise is one.
    pub(super) async fn begin(&mut self) -> Result<Option<Error>> {
        self.look_for_rival().await;
        let failure = self.renewal.begin(&self.node).await?;
        self.note(failure.as_ref());
        Ok(failure)
    }

    /// Renews the registration before each time to live has passed, and sooner after a failure. Never returns.
    pub(super) async fn run(mut self, mut failure: Option<Error>) {
        let mut was_registered = failure.is_none();
        loop {
            sleep(self.renewal.wait(failure.as_ref())).await;
            match was_registered {
                true => self.look_after_rival().await,
                false => self.look_for_rival().await,
            }
            let renewed = self.renewal.renew(&self.node).await.err();
            if renewed.is_none() && failure.is_some() {
                let registry = self.renewal.registry().name();
                tracing::info!(id = self.node.id, registry, "registered");
            }
            was_registered |= renewed.is_none();
            self.note(renewed.as_ref());
            failure = renewed;
        }
    }

    fn note(&self, failure: Option<&Error>) {
        let lapses = time::now().saturating_add(time::nanos(self.ttl));
        let registered = failure.map_or(Ok(()), |error| Err(error.clone()));
        self.status.registered(registered, lapses);
    }

    /// Warns if the record that ours replaces belongs to an instance that is alive.
    async fn look_for_rival(&mut self) {
        if self.renewal.registry().is_read_only() {
            return;
        }
        let asked = timeout(LOOK, self.renewal.registry().get(&self.node.service)).await;
        // An error of the registry is reported by the registration itself.
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

    /// Ends the conflict when the other instance has ended.
    async fn look_after_rival(&mut self) {
        if let Some(rival) = &self.rival
            && !is_alive(rival).await
        {
            self.rival = None;
            self.status.conflicts(None);
        }
    }
}

/// Whether something listens at an address. Addresses that are not TCP cannot be checked and count as listening.
async fn is_alive(address: &str) -> bool {
    let port = address.rsplit_once(':').map(|(_, port)| port);
    if port.is_none_or(|port| port.parse::<u16>().is_err()) {
        return true;
    }
    timeout(CONNECT, TcpStream::connect(address))
        .await
        .is_ok_and(|connected| connected.is_ok())
}
