//! A client's connections to one node: each carries one request at a time and is kept for the next.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

use parking_lot::Mutex;

use super::{Reader, wire::Wire};
use crate::{
    error::{Error, Outcome, Result},
    net::{
        Limits,
        io::SharedNetwork,
        pool::{Place, Pool, Pooled},
        unconnected::unconnected,
    },
    time::{self, NEVER, Nanos, nanos},
    worker,
};

/// The connections to one node.
pub(crate) struct Node {
    pub(super) address: Arc<str>,
    network: SharedNetwork,
    pub(super) limits: Arc<Limits>,
    pool: Arc<Pool>,
    idle: Mutex<Vec<Line>>,
    next: AtomicU64,
    closed: AtomicBool,
}

/// One of them.
pub(super) struct Line {
    pub(super) wire: Wire,
    seat: Arc<Seat>,
    _place: Place,
    /// The runtime it was opened on: connections belong to the thread that calls.
    worker: usize,
}

/// What the pool sees of a connection.
struct Seat {
    node: Weak<Node>,
    number: u64,
    /// [`NEVER`] while a request is under way.
    idle_since: AtomicU64,
}

impl Pooled for Seat {
    fn idle_since(&self) -> Option<Nanos> {
        match self.idle_since.load(Relaxed) {
            NEVER => None,
            since => Some(since),
        }
    }

    fn retire(&self) {
        if let Some(node) = self.node.upgrade() {
            let mut idle = node.idle.lock();
            let at = idle.iter().position(|line| line.seat.number == self.number);
            let retired = at.map(|at| idle.swap_remove(at));
            drop(idle);
            drop(retired);
        }
    }
}

impl Node {
    pub(crate) fn new(
        address: &str,
        network: SharedNetwork,
        limits: Arc<Limits>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(Node {
            address: address.into(),
            network,
            limits,
            pool,
            idle: Mutex::default(),
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// A connection for one request: an idle one of this thread, or a new one.
    pub(super) async fn line(self: &Arc<Self>) -> Result<Line> {
        if self.closed.load(Relaxed) {
            let error = Error::unavailable(format!("node at `{}` has left", self.address));
            return Err(error.with_outcome(Outcome::NotSent));
        }
        while let Some(mut line) = self.take_idle() {
            line.seat.idle_since.store(NEVER, Relaxed);
            if line.is_quiet() {
                return Ok(line);
            }
        }
        self.connect().await
    }

    /// Keeps a connection whose response is read to its end.
    pub(super) fn keep(&self, line: Line) {
        if !self.closed.load(Relaxed) {
            line.seat.idle_since.store(time::now(), Relaxed);
            self.idle.lock().push(line);
        }
    }

    /// Opens nothing more; idle connections are closed, others as their responses end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        let idle = std::mem::take(&mut *self.idle.lock());
        drop(idle);
    }

    /// The idle connection of this thread used last; those idle for too long are closed.
    fn take_idle(&self) -> Option<Line> {
        let oldest = time::now().saturating_sub(nanos(self.limits.idle));
        let worker = worker::current();
        let mut idle = self.idle.lock();
        let (fresh, old) = std::mem::take(&mut *idle)
            .into_iter()
            .partition(|line| line.seat.idle_since.load(Relaxed) >= oldest);
        *idle = fresh;
        let at = idle.iter().rposition(|line| line.worker == worker);
        let line = at.map(|at| idle.remove(at));
        drop(idle);
        drop::<Vec<_>>(old);
        line
    }

    async fn connect(self: &Arc<Self>) -> Result<Line> {
        let seat = Arc::new(Seat {
            node: Arc::downgrade(self),
            number: self.next.fetch_add(1, Relaxed),
            idle_since: AtomicU64::new(NEVER),
        });
        let pooled: Arc<dyn Pooled> = seat.clone();
        let place = self.pool.admit(Arc::downgrade(&pooled))?;
        let address = &self.address;
        let not_sent = |error: Error| error.with_outcome(Outcome::NotSent);
        let io = tokio::time::timeout(self.limits.connect, self.network.connect(address))
            .await
            .map_err(|_| {
                not_sent(Error::unavailable(format!(
                    "node at `{address}` could not be connected to within {:?}",
                    self.limits.connect
                )))
            })?
            .map_err(|error| {
                let text = format!("node at `{address}` could not be connected to");
                not_sent(unconnected(text, error))
            })?;
        let reader = Reader::new(b"", self.limits.clone());
        Ok(Line {
            wire: Wire::new(io, reader, self.limits.idle),
            seat,
            _place: place,
            worker: worker::current(),
        })
    }
}

impl Line {
    /// Whether nothing has come on an idle connection, neither bytes nor its end.
    fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.wire.reader.is_amid() && self.wire.poll_fill(&mut cx).is_pending()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}
