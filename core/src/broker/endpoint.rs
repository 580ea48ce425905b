//! The port and the registrations of a process's subscriptions, for brokers without a server.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use super::registrations::{RegisteredSubscription, Registrations};
use crate::{
    address::advertised, error::Result, net::Listener, node::Node, random::Rng, registry::Registry,
};

/// One port and one task of registrations for all subscriptions, both started by the first; `D` dispatches events.
pub(super) struct SharedEndpoint<D> {
    registry: Arc<dyn Registry>,
    ttl: Duration,
    interval: Duration,
    /// The seed for the jitter of renewals.
    seed: u64,
    /// Open while there are subscriptions.
    port: Mutex<Weak<Port<D>>>,
    registrations: OnceLock<Registrations>,
}

/// Where this process is reached.
pub(super) struct Port<D> {
    /// A listener of the broker; `None` if events arrive at a service's port.
    pub(super) listener: Option<Box<dyn Listener>>,
    /// The address to register.
    pub(super) address: String,
    pub(super) dispatcher: Arc<D>,
}

impl<D: Default> SharedEndpoint<D> {
    /// Creates it without a port; registrations will last `ttl` and be renewed every `interval`.
    pub(super) fn new(
        registry: Arc<dyn Registry>,
        ttl: Duration,
        interval: Duration,
        seed: u64,
    ) -> Self {
        SharedEndpoint {
            registry,
            ttl,
            interval,
            seed,
            port: Mutex::default(),
            registrations: OnceLock::new(),
        }
    }

    /// Returns the port, opened by `listen` if there is none.
    pub(super) async fn port(
        &self,
        listen: impl AsyncFnOnce(Arc<D>) -> Result<Box<dyn Listener>>,
    ) -> Result<Arc<Port<D>>> {
        if let Some(port) = self.port.lock().upgrade() {
            return Ok(port);
        }
        let dispatcher = Arc::new(D::default());
        let listener = listen(dispatcher.clone()).await?;
        let fresh = Arc::new(Port {
            address: listener.address(),
            listener: Some(listener),
            dispatcher,
        });
        let mut port = self.port.lock();
        if let Some(port) = port.upgrade() {
            // Another subscription was faster; this listener is dropped.
            return Ok(port);
        }
        *port = Arc::downgrade(&fresh);
        Ok(fresh)
    }

    /// Uses the port of another listener while the returned value lives.
    pub(super) fn attach(&self, address: &str) -> Arc<Port<D>> {
        let port = Arc::new(Port {
            listener: None,
            address: address.to_owned(),
            dispatcher: Arc::default(),
        });
        *self.port.lock() = Arc::downgrade(&port);
        port
    }

    /// The address to register: `advertise`, completed from the address of the port.
    pub(super) fn advertised(&self, said: Option<&str>, bound: &str) -> Result<String> {
        advertised(said, bound, !self.registry.is_of_this_machine())
    }

    /// Registers a subscription while the returned value lives.
    pub(super) async fn register(&self, node: Node) -> Result<RegisteredSubscription> {
        let registrations = self.registrations.get_or_init(|| {
            let rng = Rng::seeded(self.seed);
            Registrations::start(self.registry.clone(), self.ttl, self.interval, rng)
        });
        registrations.add(node).await
    }
}
