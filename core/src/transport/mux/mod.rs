//! The native protocol: many calls on one connection, each a flat frame; `PROTOCOL.md` specifies it.

mod busy_polling;
mod calls;
mod driver;
mod frame;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
#[cfg(test)]
mod golden;
mod names;
mod preface;
mod queue;
mod reader;
mod serve;
mod stream;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    call::Call,
    error::{Error, Outcome, Result},
    net::{
        Limits,
        io::SharedNetwork,
        per_worker::PerWorker,
        pool::{Pool, Pooled},
        protocol::{Accepted, Detect, Protocol},
    },
    transport::{Connection, Peer, Probe, addressee::Addressee},
};
use calls::{Calls, Handle};

/// The protocol version of this release, as records list it: `native/1`.
pub(crate) fn protocols() -> Vec<String> {
    let (lowest, highest) = preface::VERSIONS;
    let versions = lowest..=highest;
    versions
        .map(|version| format!("native/{version}"))
        .collect()
}

/// The name in TLS's negotiation (ALPN).
pub(crate) const ALPN: &str = "micro/1";

/// The server's side of the native protocol.
#[derive(Debug)]
pub(crate) struct Native {
    pub(crate) limits: Arc<Limits>,
}

#[async_trait]
impl Protocol for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn detect(&self, first: &[u8]) -> Detect {
        Detect::prefix(first, &preface::MAGIC)
    }

    fn examples(&self) -> &[&'static [u8]] {
        &[&preface::MAGIC]
    }

    fn alpn(&self) -> &[&'static str] {
        &[ALPN]
    }

    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
        serve::serve(connection, call, self.limits.clone()).await;
    }
}

/// A peer: a connection for each calling thread.
pub(crate) struct Node {
    address: Arc<str>,
    addressee: Arc<Addressee>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    connections: PerWorker<Arc<Handle>>,
}

impl Node {
    pub(crate) fn new(
        address: &str,
        addressee: Addressee,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Self {
        Node {
            address: address.into(),
            addressee: Arc::new(addressee),
            network,
            limits,
            pool,
            connections: PerWorker::new(),
        }
    }

    fn connect(&self) -> Result<Arc<Handle>> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Error::failed_precondition("calls must be made within a tokio runtime")
                .with_outcome(Outcome::NotSent)
        })?;
        let calls = Calls::new(self.limits.clone());
        let pooled: Arc<dyn Pooled> = calls.clone();
        let place = self.pool.admit(Arc::downgrade(&pooled))?;
        runtime.spawn(driver::run(
            calls.clone(),
            place,
            self.network.clone(),
            self.address.clone(),
            self.addressee.clone(),
        ));
        Ok(Arc::new(Handle(calls)))
    }
}

impl Peer for Node {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        Ok(self.open()?)
    }

    fn probe(&self) -> Probe {
        let open = self.open();
        let address = self.address.clone();
        Box::pin(async move {
            // Connecting has its timeout, and so has the silence of a connection. Each side's preface has its
            // identity: a connection to another server fails.
            open?.0.ping().await.map_err(|_| {
                Error::unavailable(format!(
                    "node at `{address}` gave no sign of life before the connection ended"
                ))
            })
        })
    }

    fn close(&self) {
        self.connections.close(|open| open.0.drain());
    }
}

impl Node {
    /// Returns the connection of the calling thread, and opens one if necessary.
    fn open(&self) -> Result<Arc<Handle>> {
        self.connections.get_or_open(
            &self.address,
            |open| open.0.is_open().then(|| open.clone()),
            || {
                let fresh = self.connect()?;
                Ok((fresh.clone(), fresh))
            },
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}
