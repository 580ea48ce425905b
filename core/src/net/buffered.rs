//! The bytes that a server holds for its peers, counted for all protocols: request bodies until their call has
//! ended, messages of streams until they are read, responses until they are written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::{
    error::{Error, Outcome},
    net::Limits,
};

/// Not counted below this: a small body costs no more than the bookkeeping of its call, which other limits bound.
pub(crate) const MIN_COUNTED_BYTES: usize = 4 * 1024;

/// A number of bytes, its limit, and those that wait for space.
pub(crate) struct ByteBudget {
    bytes: AtomicUsize,
    limit: usize,
    waits: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl ByteBudget {
    pub(crate) fn new(limit: usize) -> Self {
        ByteBudget {
            bytes: AtomicUsize::new(0),
            limit,
            waits: AtomicBool::new(false),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }

    fn is_over(&self) -> bool {
        self.bytes() > self.limit
    }

    fn is_far_over(&self) -> bool {
        self.bytes() / 2 > self.limit
    }

    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, SeqCst);
    }

    fn sub(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, SeqCst);
        if self.waits.load(SeqCst) && !self.is_over() {
            let waiting = {
                let mut waiting = self.waiting.lock();
                self.waits.store(false, SeqCst);
                std::mem::take(&mut *waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Ready within the limit; otherwise `cx` is woken when it is.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_over() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        self.waits.store(true, SeqCst);
        // It may have fallen before `waits` was set.
        match self.is_over() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

/// The bytes of one connection, which count for its server as well.
pub(crate) struct Buffered {
    own: ByteBudget,
    /// Those of responses that wait to be sent.
    answers: ByteBudget,
    server: Arc<ByteBudget>,
    /// Whether the server's limit was exceeded when a limit was last exceeded.
    blames_server: AtomicBool,
}

impl Buffered {
    pub(crate) fn new(limits: &Limits, server: Arc<ByteBudget>) -> Arc<Self> {
        Arc::new(Buffered {
            own: ByteBudget::new(limits.max_buffered_bytes),
            answers: ByteBudget::new(limits.max_queued_bytes),
            server,
            blames_server: AtomicBool::new(false),
        })
    }

    /// Whether a limit is exceeded.
    pub(crate) fn is_over(&self) -> bool {
        let own = self.own.is_over();
        if !own && !self.server.is_over() {
            return false;
        }
        self.blames_server.store(!own, SeqCst);
        true
    }

    /// Whether a limit is exceeded twice over: then streams fail as well, which otherwise may use the credit that they have.
    pub(crate) fn is_far_over(&self) -> bool {
        self.is_over() && (self.own.is_far_over() || self.server.is_far_over())
    }

    /// The error for a request that arrives when a limit is exceeded.
    pub(crate) fn over(&self) -> Option<Error> {
        self.is_over().then(|| self.refusal())
    }

    /// The error for a request that does not fit into the limit.
    pub(crate) fn refusal(&self) -> Error {
        let (of, name, limit) = match self.blames_server.load(SeqCst) {
            false => ("one connection", "max_buffered_bytes", self.own.limit),
            true => (
                "all connections",
                "max_server_buffered_bytes",
                self.server.limit,
            ),
        };
        Error::resource_exhausted(format!(
            "the bytes buffered for {of} are over the limit `{name}` of {limit}"
        ))
        .with_outcome(Outcome::Rejected)
    }

    /// Ready when no limit is exceeded; otherwise `cx` is woken when that is so.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        match self.own.poll_room(cx) {
            Poll::Ready(()) => self.server.poll_room(cx),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready when the peer takes its responses; otherwise `cx` is woken when it does.
    #[cfg(feature = "grpc")]
    pub(crate) fn poll_answers(&self, cx: &Context<'_>) -> Poll<()> {
        self.answers.poll_room(cx)
    }

    /// An account of bytes that are not responses.
    pub(crate) fn account(self: &Arc<Self>) -> ByteReservation {
        self.opened(false)
    }

    /// An account of a response.
    #[cfg(feature = "grpc")]
    pub(crate) fn answer(self: &Arc<Self>) -> ByteReservation {
        self.opened(true)
    }

    fn opened(self: &Arc<Self>, is_answer: bool) -> ByteReservation {
        ByteReservation {
            buffered: self.clone(),
            held: AtomicUsize::new(0),
            is_answer,
        }
    }
}

/// The bytes that one holder has of a connection's; released when dropped.
pub(crate) struct ByteReservation {
    buffered: Arc<Buffered>,
    held: AtomicUsize,
    is_answer: bool,
}

impl ByteReservation {
    /// Sets the number of bytes held.
    pub(crate) fn set(&self, bytes: usize) {
        let bytes = if bytes > MIN_COUNTED_BYTES { bytes } else { 0 };
        if bytes == 0 && self.held.load(SeqCst) == 0 {
            return;
        }
        let before = self.held.swap(bytes, SeqCst);
        let Buffered {
            own,
            answers,
            server,
            ..
        } = &*self.buffered;
        let answers = self.is_answer.then_some(answers);
        for level in [Some(own), answers, Some(&**server)].into_iter().flatten() {
            if bytes > before {
                level.add(bytes - before);
            } else if bytes < before {
                level.sub(before - bytes);
            }
        }
    }

    /// The connection.
    pub(crate) fn buffered(&self) -> &Arc<Buffered> {
        &self.buffered
    }
}

impl Drop for ByteReservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl std::fmt::Debug for ByteReservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.held.load(SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: usize, server: &Arc<ByteBudget>) -> Arc<Buffered> {
        let limits = Limits {
            max_buffered_bytes: own,
            ..Limits::default()
        };
        Buffered::new(&limits, server.clone())
    }

    #[test]
    fn bytes_count_for_connection_and_server_until_dropped() {
        let server = Arc::new(ByteBudget::new(30_000));
        let (one, other) = (of(20_000, &server), of(20_000, &server));
        let first = one.account();
        first.set(20_001);
        let told = one.over().map(|error| error.to_string());
        assert!(told.is_some_and(|told| told.contains("`max_buffered_bytes` of 20000")));
        assert!(!other.is_over());
        let second = other.account();
        second.set(10_000);
        let told = other.over().map(|error| error.to_string());
        assert!(told.is_some_and(|told| told.contains("`max_server_buffered_bytes` of 30000")));
        first.set(5_000);
        assert_eq!(server.bytes(), 15_000);
        assert!(one.over().is_none());
        second.set(MIN_COUNTED_BYTES);
        assert_eq!(server.bytes(), 5_000);
        drop(first);
        assert_eq!(server.bytes(), 0);
    }

    #[test]
    fn waiting_task_wakes_when_bytes_are_released() {
        struct WakeCount(AtomicUsize);
        impl std::task::Wake for WakeCount {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let woken = Arc::new(WakeCount(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        let server = Arc::new(ByteBudget::new(10_000));
        let (one, other) = (of(50_000, &server), of(50_000, &server));
        let held = one.account();
        held.set(10_001);
        assert!(other.poll_room(&cx).is_pending());
        assert!(other.poll_room(&cx).is_pending());
        assert_eq!(woken.0.load(SeqCst), 0);
        held.set(10_000);
        assert_eq!(woken.0.load(SeqCst), 1);
        assert!(other.poll_room(&cx).is_ready());
    }
}
