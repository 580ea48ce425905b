//! Calls within one process, without bytes in between: the server is called directly.

mod connection;
mod pending_call;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    call::Call,
    error::{Error, Outcome, Result},
    net::{Limits, Listener, unconnected::has_left},
    node::Node,
    transport::{CallTracker, Connection, Peer, Probe, Transport, addressee::Addressee},
};
use connection::MemoryConnection;

/// The prefix of addresses.
const SCHEME: &str = "memory:";

/// Carries calls within this process, to addresses `memory:NAME`.
///
/// Clones share their names; a new instance has none of another's. Bodies, errors
/// and metadata pass unchanged; deadlines, cancellation, draining and the limits of messages, heads
/// and concurrent calls apply as on a network. A request is handled in a task of the
/// caller's runtime.
///
/// ```
/// use micro::{Plugins, transport::Memory};
///
/// let plugins = Plugins::new().transport(Memory::new());
/// ```
#[derive(Clone, Default)]
pub struct Memory {
    listeners: Arc<ListenerTable>,
    limits: Arc<Limits>,
}

/// The listeners by name.
#[derive(Default)]
struct ListenerTable {
    names: Mutex<HashMap<String, Weak<CallTracker>>>,
    unnamed: AtomicU64,
}

impl Memory {
    /// Creates a transport without listeners.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }
}

impl ListenerTable {
    /// The listener of an address, if it accepts calls.
    fn find(&self, address: &str) -> Result<Arc<CallTracker>> {
        let served = self.names.lock().get(address).and_then(Weak::upgrade);
        served.filter(|served| served.is_open()).ok_or_else(|| {
            Error::unavailable(format!("nobody listens at `{address}` in this process"))
                .with_outcome(Outcome::NotSent)
        })
    }

    /// Removes a name, unless another listener has it by now.
    fn give_up(&self, address: &str, own: &Weak<CallTracker>) {
        let mut names = self.names.lock();
        if names
            .get(address)
            .is_some_and(|tracker| tracker.ptr_eq(own))
        {
            names.remove(address);
        }
    }

    /// Returns an unused address.
    fn unnamed(&self) -> String {
        format!("{SCHEME}{}", self.unnamed.fetch_add(1, Relaxed) + 1)
    }
}

#[async_trait]
impl Transport for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn default_address(&self) -> &str {
        SCHEME
    }

    fn open(&self, node: &Node) -> Result<Arc<dyn Peer>> {
        Ok(Arc::new(MemoryPeer {
            address: node.address.clone(),
            addressee: Addressee::of(node, &"".into()),
            listeners: self.listeners.clone(),
            limits: self.limits.clone(),
            line: Mutex::default(),
        }))
    }

    async fn listen(&self, address: &str, call: Arc<dyn Call>) -> Result<Box<dyn Listener>> {
        let address = match address.strip_prefix(SCHEME) {
            Some("") => self.listeners.unnamed(),
            Some(_) => address.to_owned(),
            None => {
                return Err(Error::invalid_argument(format!(
                    "cannot listen at `{address}` in memory; use `memory:NAME`, or `memory:` for any name"
                )));
            }
        };
        let mut names = self.listeners.names.lock();
        names.retain(|_, served| served.strong_count() > 0);
        if names.contains_key(&address) {
            return Err(Error::already_exists(format!(
                "cannot listen at `{address}`: it is taken"
            )));
        }
        let served = CallTracker::new(call, self.limits.clone());
        names.insert(address.clone(), Arc::downgrade(&served));
        drop(names);
        let (listeners, name, own) = (
            self.listeners.clone(),
            address.clone(),
            Arc::downgrade(&served),
        );
        Ok(served.listener(address, move || listeners.give_up(&name, &own)))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.listeners.names.lock().keys().cloned().collect();
        names.sort();
        f.debug_tuple("Memory").field(&names).finish()
    }
}

/// A peer at one address.
struct MemoryPeer {
    address: String,
    addressee: Addressee,
    listeners: Arc<ListenerTable>,
    limits: Arc<Limits>,
    line: Mutex<PeerState>,
}

/// The connection of a peer.
#[derive(Default)]
struct PeerState {
    line: Option<Arc<MemoryConnection>>,
    closed: bool,
}

impl MemoryPeer {
    /// The listener, if it has the expected identity.
    fn find(&self) -> Result<Arc<CallTracker>> {
        let served = self.listeners.find(&self.address)?;
        served.call.is_meant(&self.addressee.meant)?;
        Ok(served)
    }
}

impl Peer for MemoryPeer {
    fn connection(&self) -> Result<Arc<dyn Connection>> {
        let mut held = self.line.lock();
        if let Some(line) = held.line.as_ref().filter(|line| line.is_open()) {
            return Ok(line.clone());
        }
        if held.closed {
            return Err(has_left(&self.address));
        }
        let fresh = MemoryConnection::new(self.find()?, &self.limits);
        held.line = Some(fresh.clone());
        Ok(fresh)
    }

    fn probe(&self) -> Probe {
        let found = self.find().map(drop);
        Box::pin(async { found })
    }

    fn close(&self) {
        // Calls in progress hold the connection themselves.
        *self.line.lock() = PeerState {
            line: None,
            closed: true,
        };
    }
}
