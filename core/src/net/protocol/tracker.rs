//! The connections of a port: their number, their calls, and how to end them.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    error::Result,
    net::{
        Limits,
        buffered::{Buffered, ByteBudget, ByteReservation},
    },
};

/// Every connection of a port.
pub(crate) struct ConnectionTracker {
    taken: Mutex<BTreeMap<u64, TrackedConnection>>,
    next: AtomicU64,
    stage: AtomicU8,
    /// Notified when a connection has ended.
    quieter: Notify,
    limits: Arc<Limits>,
    /// The bytes held for all connections.
    buffered: Arc<ByteBudget>,
    refused: AtomicU64,
    failed: AtomicU64,
}

struct TrackedConnection {
    task: Option<AbortHandle>,
    waker: Option<Waker>,
    busy: bool,
}

/// No more requests are wanted; those that arrive are served.
const LEAVING: u8 = 1;
/// Requests that arrive are refused.
const REFUSING: u8 = 2;

/// A connection's place at its port, until dropped: the protocol that serves the connection holds it until the
/// connection has ended.
pub struct ConnectionGuard {
    seats: Arc<ConnectionTracker>,
    id: u64,
    buffered: Arc<Buffered>,
}

impl ConnectionTracker {
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(ConnectionTracker {
            taken: Mutex::default(),
            next: AtomicU64::new(0),
            stage: AtomicU8::new(0),
            quieter: Notify::new(),
            buffered: Arc::new(ByteBudget::new(limits.max_server_buffered_bytes)),
            limits,
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Returns a place for a connection, or `None` at the limit, which is counted.
    pub(crate) fn take(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let mut taken = self.taken.lock();
        if taken.len() >= self.limits.max_accepted_connections {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let place = TrackedConnection {
            task: None,
            waker: None,
            busy: false,
        };
        taken.insert(id, place);
        Some(ConnectionGuard {
            seats: self.clone(),
            id,
            buffered: Buffered::new(&self.limits, self.buffered.clone()),
        })
    }

    /// Counts a connection that could not be accepted.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("buffered_bytes", self.buffered.bytes() as u64),
            ("connections_refused", self.refused.load(Ordering::Relaxed)),
            ("accept_errors", self.failed.load(Ordering::Relaxed)),
        ]
    }

    /// Records the task that serves a connection, so that it can be ended.
    pub(crate) fn served_by(&self, id: u64, task: AbortHandle) {
        match self.taken.lock().get_mut(&id) {
            Some(taken) => taken.task = Some(task),
            // The connection has ended already.
            None => drop(task),
        }
    }

    /// Tells every connection that no more requests are wanted.
    pub(crate) fn leave(&self) {
        self.advance(LEAVING);
    }

    /// Tells every connection to refuse requests that still arrive.
    pub(crate) fn refuse(&self) {
        self.advance(REFUSING);
    }

    fn advance(&self, stage: u8) {
        self.stage.fetch_max(stage, Ordering::AcqRel);
        let mut wakers = Vec::new();
        for taken in self.taken.lock().values_mut() {
            if let Some(waker) = taken.waker.take() {
                // Until it has ended; a connection that does not listen yet has no call either.
                taken.busy = true;
                wakers.push(waker);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until every connection that was told to leave has ended.
    pub(crate) async fn quiet(&self) {
        loop {
            let quieter = self.quieter.notified();
            if !self.taken.lock().values().any(|taken| taken.busy) {
                return;
            }
            quieter.await;
        }
    }

    /// Ends every connection.
    pub(crate) fn end(&self) {
        for taken in self.taken.lock().values() {
            if let Some(task) = &taken.task {
                task.abort();
            }
        }
    }

    /// Waits until every connection has ended.
    pub(crate) async fn empty(&self) {
        loop {
            let quieter = self.quieter.notified();
            if self.taken.lock().is_empty() {
                return;
            }
            quieter.await;
        }
    }
}

impl ConnectionGuard {
    /// The guard of a connection without a port.
    pub(crate) fn alone() -> Self {
        let limits = Arc::new(Limits::default());
        let taken = ConnectionTracker::new(limits).take();
        taken.expect("the default limit leaves room for one")
    }

    /// Waits until the port shuts down: the protocol ends calls in progress and closes the connection before others
    /// begin. The port drains until the connection has ended.
    pub async fn leaving(&self) {
        poll_fn(|cx| {
            self.listen(cx.waker());
            match self.is_leaving() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Counts bytes that are held for the peer, such as the body of a request until its call has ended, against
    /// [`Limits::max_buffered_bytes`] and [`Limits::max_server_buffered_bytes`]. Up to 4 KiB are not counted.
    ///
    /// # Errors
    /// [`ResourceExhausted`](crate::Code::ResourceExhausted), rejected, if a limit is exceeded: the response to a
    /// request that has just arrived.
    pub fn hold(&self, bytes: usize) -> Result<BufferedBytes> {
        let account = self.buffered.account();
        account.set(bytes);
        match self.buffered.over() {
            Some(error) => Err(error),
            None => Ok(BufferedBytes { _account: account }),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The bytes held for it.
    pub(crate) fn buffered(&self) -> &Arc<Buffered> {
        &self.buffered
    }

    /// Whether the port is shutting down.
    pub fn is_leaving(&self) -> bool {
        self.seats.stage.load(Ordering::Acquire) >= LEAVING
    }

    /// Whether requests are to be refused.
    pub(crate) fn is_refusing(&self) -> bool {
        self.seats.stage.load(Ordering::Acquire) >= REFUSING
    }

    /// Wakes `waker` when the port's state changes.
    pub(crate) fn listen(&self, waker: &Waker) {
        if let Some(taken) = self.seats.taken.lock().get_mut(&self.id) {
            taken.waker = Some(waker.clone());
        }
    }
}

/// Bytes held for the peer of a connection, until dropped.
#[derive(Debug)]
#[must_use = "the bytes count until it is dropped"]
pub struct BufferedBytes {
    _account: ByteReservation,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.seats.taken.lock().remove(&self.id);
        self.seats.quieter.notify_waiters();
    }
}

impl fmt::Debug for ConnectionGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionGuard({})", self.id)
    }
}
