//! The TLS of one transport: its settings, and a client for each protocol inside it.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{Client, Tls};

/// The settings of TLS, and the clients made of them; cheap to clone.
#[derive(Clone)]
pub(crate) struct TlsClients(Arc<Inner>);

struct Inner {
    said: Tls,
    /// By the protocol that they offer. A server may end a handshake that offers none it speaks.
    clients: Mutex<BTreeMap<&'static str, Arc<Client>>>,
}

impl TlsClients {
    pub(crate) fn new(said: Tls) -> Self {
        TlsClients(Arc::new(Inner {
            said,
            clients: Mutex::default(),
        }))
    }

    /// The settings.
    pub(crate) fn said(&self) -> &Tls {
        &self.0.said
    }

    /// The client for the protocol with this ALPN name.
    pub(crate) fn to(&self, alpn: &'static str) -> Arc<Client> {
        let mut clients = self.0.clients.lock();
        let client = clients
            .entry(alpn)
            .or_insert_with(|| Arc::new(Client::new(&self.0.said, alpn)));
        client.clone()
    }
}
