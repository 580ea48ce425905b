//! One host of the network: it connects and listens.

use std::{io, time::Duration};

use async_trait::async_trait;
use micro_core::net::io::{Acceptor, Io, Network};
use tokio::sync::mpsc;

use super::connection::{End, Shared, delay, host_of};

/// Connections that wait to be accepted, beyond which more are refused.
const BACKLOG: usize = 64;

/// How often a connection attempt over a cut checks whether it is healed.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// One host's access to the network. Clones are the same host.
#[derive(Clone)]
pub struct Host {
    shared: Shared,
    name: String,
}

impl Host {
    pub(super) fn new(shared: &Shared, name: &str) -> Self {
        Host {
            shared: shared.clone(),
            name: name.to_owned(),
        }
    }
}

#[async_trait]
impl Network for Host {
    async fn connect(&self, address: &str) -> io::Result<Io> {
        let there = host_of(address);
        let delay = {
            let mut state = self.shared.lock();
            state.note(&format!("{} connects to {address}", self.name));
            let latency = state.latency;
            delay(&mut state.random, latency) * 2
        };
        tokio::time::sleep(delay).await;
        while {
            let state = self.shared.lock();
            state.is_cut(&self.name, there) || state.is_cut(there, &self.name)
        } {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        let (ours, theirs, listener) = {
            let mut state = self.shared.lock();
            if state.refusing.contains(there) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let Some((_, listener)) = state.listeners.get(address).cloned() else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let (ours, theirs) = self.shared.connect(&mut state, &self.name, there);
            (ours, theirs, listener)
        };
        listener
            .try_send(theirs)
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Io::Other(Box::new(ours)))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Acceptor>> {
        let mut state = self.shared.lock();
        if state.listeners.contains_key(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, incoming) = mpsc::channel(BACKLOG);
        state.next += 1;
        let number = state.next;
        state.listeners.insert(address.to_owned(), (number, sender));
        Ok(Box::new(SimulatedListener {
            host: self.clone(),
            address: address.to_owned(),
            number,
            incoming: tokio::sync::Mutex::new(incoming),
        }))
    }
}

struct SimulatedListener {
    host: Host,
    address: String,
    number: u64,
    incoming: tokio::sync::Mutex<mpsc::Receiver<End>>,
}

#[async_trait]
impl Acceptor for SimulatedListener {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn accept(&self) -> io::Result<Io> {
        let end = self.incoming.lock().await.recv().await;
        let Some(end) = end else {
            return std::future::pending().await;
        };
        while self.host.shared.lock().stalled.contains(&self.host.name) {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        Ok(Io::Other(Box::new(end)))
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        let mut state = self.host.shared.lock();
        let ours = state.listeners.get(&self.address);
        if ours.is_some_and(|(number, _)| *number == self.number) {
            let gone = state.listeners.remove(&self.address);
            drop(state);
            drop(gone);
        }
    }
}
