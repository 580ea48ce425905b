//! The parts that brokers without a server are made of.

use std::{fmt, sync::Arc};

use crate::{balance::Balance, protocols::Socket, registry::Registry, transport::Transport};

/// The parts of a service or client that a broker can be made of. `Plugins::broker_from` passes them to brokers of
/// users; the built-in ones are made of the same.
#[derive(Clone)]
pub struct BrokerParts {
    registry: Arc<dyn Registry>,
    transport: Arc<dyn Transport>,
    balance: Balance,
    socket: Socket,
}

impl BrokerParts {
    /// Creates the parts of a broker whose subscribers are found in `registry` and called by `balance` through `transport`.
    pub fn new(
        registry: Arc<dyn Registry>,
        transport: Arc<dyn Transport>,
        balance: Balance,
    ) -> Self {
        BrokerParts {
            registry,
            transport,
            balance,
            socket: Socket::new(),
        }
    }

    /// Sets the socket, for brokers that speak a protocol of the port whatever the transport is.
    pub fn with_socket(mut self, socket: Socket) -> Self {
        self.socket = socket;
        self
    }

    /// Returns the registry of subscriptions.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.registry
    }

    /// Returns the transport of subscribers.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Returns the loop that calls subscribers: discovery, retries, budget.
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// Returns the socket, with the TLS and the limits of the service.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl fmt::Debug for BrokerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerParts")
            .field("registry", &self.registry.name())
            .field("transport", &self.transport.name())
            .finish_non_exhaustive()
    }
}
