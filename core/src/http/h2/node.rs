//! A peer over HTTP/2: a connection for each calling thread.

use std::{pin::Pin, sync::Arc};

use super::client::{self, Channel};
use crate::{
    error::{Error, Outcome, Result},
    net::{
        Limits,
        io::SharedNetwork,
        per_worker::PerWorker,
        pool::{Pool, Pooled},
    },
};

/// The connections to one node, each with a protocol's sender.
pub(crate) struct Connections<C> {
    address: Arc<str>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
    open: PerWorker<(Arc<Channel>, Arc<C>)>,
}

impl<C> Connections<C> {
    pub(crate) fn new(
        address: &str,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Self {
        Connections {
            address: address.into(),
            network,
            limits,
            pool,
            open: PerWorker::new(),
        }
    }

    /// Returns the connection of the calling thread, and opens one if necessary, as a `C`.
    pub(crate) fn current(&self, make: impl FnOnce(Arc<Channel>) -> C) -> Result<Arc<C>> {
        // The previous one ends with its last request.
        self.open.get_or_open(
            &self.address,
            |(channel, made)| channel.is_open().then(|| made.clone()),
            || {
                let channel = self.connect()?;
                let made = Arc::new(make(channel.clone()));
                Ok(((channel, made.clone()), made))
            },
        )
    }

    fn connect(&self) -> Result<Arc<Channel>> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Error::failed_precondition("calls must be made within a tokio runtime")
                .with_outcome(Outcome::NotSent)
        })?;
        let channel = Channel::new(self.limits.clone());
        let pooled: Arc<dyn Pooled> = channel.clone();
        let place = self.pool.admit(Arc::downgrade(&pooled))?;
        runtime.spawn(client::run(
            channel.clone(),
            place,
            self.network.clone(),
            self.address.clone(),
        ));
        Ok(channel)
    }

    /// Asks the node for a sign of life, over a connection of the calling thread.
    pub(crate) fn probe(
        &self,
        channel: Result<Arc<Channel>>,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        let address = self.address.clone();
        Box::pin(async move {
            channel?.ping().await.map_err(|_| {
                Error::unavailable(format!(
                    "node at `{address}` gave no sign of life before the connection ended"
                ))
            })
        })
    }

    /// Opens no more connections; those open close as their calls end.
    pub(crate) fn close(&self) {
        self.open.close(|(channel, _)| channel.drain());
    }
}

impl<C> Drop for Connections<C> {
    fn drop(&mut self) {
        self.close();
    }
}
