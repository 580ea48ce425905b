//! A client's connections to one node: each carries one request at a time, and is kept for the next.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, task::AbortHandle};

use super::{Reader, message_io::MessageIo};
use crate::{
    error::{Error, Outcome, Result},
    net::{
        Limits,
        io::SharedNetwork,
        pool::{Pool, PoolPermit, Pooled},
        unconnected::{has_left, unconnected},
    },
    time::{self, NEVER, Nanos, nanos},
    worker,
};

/// The connections to one node.
pub(crate) struct NodeConnections {
    pub(super) address: Arc<str>,
    network: SharedNetwork,
    pub(super) limits: Arc<Limits>,
    pub(super) pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Idle connections; the one used last is at the end.
    idle: Vec<PooledConnection>,
    closed: bool,
    /// The task that closes connections idle for too long; it ends when there are none.
    reaper: Option<AbortHandle>,
}

/// A connection of the pool.
pub(crate) struct PooledConnection {
    pub(crate) wire: MessageIo,
    /// Whether it was kept after an earlier request.
    pub(crate) reused: bool,
    pub(crate) place: PoolPermit,
    seat: Arc<PoolEntry>,
    /// The runtime it was opened on: connections belong to the thread that calls.
    worker: usize,
}

/// The state of a connection for the pool.
struct PoolEntry {
    node: Weak<NodeConnections>,
    /// [`NEVER`] while a request is in progress.
    idle_since: AtomicU64,
}

impl Pooled for PoolEntry {
    fn idle_since(&self) -> Option<Nanos> {
        match self.idle_since.load(Relaxed) {
            NEVER => None,
            since => Some(since),
        }
    }

    fn retire(&self) {
        if let Some(node) = self.node.upgrade() {
            let mut state = node.state.lock();
            let is_own = |line: &PooledConnection| std::ptr::eq(&*line.seat, self);
            let at = state.idle.iter().position(is_own);
            let retired = at.map(|at| state.idle.remove(at));
            drop(state);
            drop(retired);
        }
    }
}

impl NodeConnections {
    pub(crate) fn new(
        address: &str,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(NodeConnections {
            address: address.into(),
            network,
            limits,
            pool,
            state: Mutex::default(),
        })
    }

    /// Returns a connection for one request: an idle one of this thread, or a new one.
    pub(crate) async fn line(self: &Arc<Self>) -> Result<PooledConnection> {
        while let Some(mut line) = self.take_idle() {
            line.seat.idle_since.store(NEVER, Relaxed);
            line.reused = true;
            if line.wire.is_quiet() {
                return Ok(line);
            }
        }
        self.connect().await
    }

    /// The idle connection of this thread that was used last.
    fn take_idle(&self) -> Option<PooledConnection> {
        let worker = worker::current();
        let mut state = self.state.lock();
        let at = state.idle.iter().rposition(|line| line.worker == worker)?;
        Some(state.idle.remove(at))
    }

    /// Keeps a connection whose response is complete.
    pub(crate) fn keep(self: &Arc<Self>, line: PooledConnection) {
        let now = time::now();
        line.seat.idle_since.store(now, Relaxed);
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return drop(line);
        }
        state.idle.push(line);
        // The task of a runtime that has ended does not run.
        if state.reaper.as_ref().is_none_or(AbortHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            let longest = nanos(self.limits.idle_timeout);
            let reap = reap(Arc::downgrade(self), now.saturating_add(longest), longest);
            state.reaper = Some(runtime.spawn(reap).abort_handle());
        }
    }

    /// Closes connections idle for too long; returns when the next one will be.
    fn prune(&self, longest: Nanos) -> Option<Nanos> {
        let now = time::now();
        let mut state = self.state.lock();
        let until =
            |line: &PooledConnection| line.seat.idle_since.load(Relaxed).saturating_add(longest);
        let old = state.idle.iter().take_while(|line| until(line) <= now);
        let old = old.count();
        let closed: Vec<_> = state.idle.drain(..old).collect();
        let next = state.idle.first().map(until);
        if next.is_none() {
            state.reaper = None;
        }
        drop(state);
        drop(closed);
        next
    }

    /// Closes the idle connections, since the server has closed one of their age.
    pub(crate) fn close_idle(&self) {
        let idle = std::mem::take(&mut self.state.lock().idle);
        drop(idle);
    }

    /// Opens no more connections; idle ones are closed, others when their responses end.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        let reaper = state.reaper.take();
        drop(state);
        drop(idle);
        if let Some(reaper) = reaper {
            reaper.abort();
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<PooledConnection> {
        if self.state.lock().closed {
            return Err(has_left(&self.address));
        }
        let seat = Arc::new(PoolEntry {
            node: Arc::downgrade(self),
            idle_since: AtomicU64::new(NEVER),
        });
        let pooled: Arc<dyn Pooled> = seat.clone();
        let place = self.pool.admit(Arc::downgrade(&pooled))?;
        let address = &self.address;
        let not_sent = |error: Error| error.with_outcome(Outcome::NotSent);
        let io = tokio::time::timeout(self.limits.connect_timeout, self.network.connect(address))
            .await
            .map_err(|_| {
                not_sent(Error::unavailable(format!(
                    "node at `{address}` could not be connected to within {:?}",
                    self.limits.connect_timeout
                )))
            })?
            .map_err(|error| {
                let text = format!("node at `{address}` could not be connected to");
                not_sent(unconnected(text, error))
            })?;
        let reader = Reader::new(b"", self.limits.clone());
        Ok(PooledConnection {
            wire: MessageIo::new(io, reader, self.limits.idle_timeout),
            reused: false,
            place,
            seat,
            worker: worker::current(),
        })
    }
}

impl AsMut<MessageIo> for PooledConnection {
    fn as_mut(&mut self) -> &mut MessageIo {
        &mut self.wire
    }
}

impl Drop for NodeConnections {
    fn drop(&mut self) {
        self.close();
    }
}

/// Closes connections that were idle for `longest`, the first of them at `next`.
async fn reap(node: Weak<NodeConnections>, mut next: Nanos, longest: Nanos) {
    loop {
        tokio::time::sleep_until(time::instant(next)).await;
        let Some(node) = node.upgrade() else { return };
        match node.prune(longest) {
            Some(at) => next = at,
            None => return,
        }
    }
}
