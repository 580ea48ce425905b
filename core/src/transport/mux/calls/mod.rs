//! The calls of one connection, shared by their callers and the connection's task.

mod answers;
mod handle;
mod state;
mod streams;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::{
    frame::{kind, write_bare},
    names::NameEncoder,
    preface::DEFAULT_PREFACE,
    queue::Queue,
    stream::Run,
};
use crate::{
    error::{Error, Outcome, Result},
    message::Response,
    net::{Limits, pool::Pooled},
    time::{self, NEVER, Nanos},
};
pub(super) use handle::Handle;
use streams::Streams;

/// The calls of one connection.
pub(super) struct Calls {
    state: Mutex<State>,
    /// Whether a new call may be started here; follows the stage.
    open: Arc<AtomicBool>,
    /// Bytes that have left for the socket, of all ever queued.
    flushed: AtomicU64,
    limits: Arc<Limits>,
}

pub(super) struct State {
    pub(super) queue: Queue,
    slots: Vec<Slot>,
    /// Slots waiting for calls.
    free: Vec<u32>,
    /// Calls that have a head already, or a streaming request: by id, until both sides have ended.
    streams: BTreeMap<u64, Streams>,
    names: NameEncoder,
    /// Whether the other side has reported its identity and its limits.
    introduced: bool,
    /// The connection's task, and whether it sleeps.
    driver: Option<Waker>,
    asleep: bool,
    stage: Stage,
    /// Whether the stage is open, readable without the lock.
    open: Arc<AtomicBool>,
    /// Callers waiting for space in the queue.
    waiting: Vec<Waker>,
    /// When the first of the callers that wait for space has waited long enough.
    waited: Nanos,
    /// Probes waiting for a PONG, by the number of their PING.
    pings: Vec<(u64, oneshot::Sender<()>)>,
    /// The PING to answer once everything queued before it has left; the last one if there are several.
    pong: Option<u64>,
    /// The earliest time at which a call must be checked.
    pub(super) nearest: Nanos,
    /// Calls started so far.
    pub(super) begun: u64,
    /// When the last call was started.
    last: Nanos,
    /// The largest message that the other side accepts.
    message_limit: usize,
    /// The largest head that it accepts.
    head_limit: usize,
    /// The initial credit of a stream, as the other side announced; 0 until it has.
    window: u32,
}

enum Stage {
    Open,
    /// The other side accepts no more calls; those started continue.
    Draining,
    Gone(Error),
}

struct Slot {
    generation: u32,
    phase: Phase,
}

enum Phase {
    Free,
    Waiting(PendingCall),
    Ready(Result<Response>),
}

struct PendingCall {
    waker: Waker,
    /// Where the call's frame begins and ends among all bytes ever queued.
    start: u64,
    end: u64,
    /// When the call is checked next.
    timeout_at: Nanos,
    deadline: Nanos,
    /// When its streams end, if it has any.
    stream_deadline: Nanos,
    repeatable: bool,
}

/// Wakers to wake once the lock is released.
pub(super) type Wakers = Vec<Waker>;

/// Work that the frames of one read leave for after the lock is released.
#[derive(Default)]
pub(super) struct Batch {
    wakers: Wakers,
    run: Run,
}

impl Batch {
    /// Delivers messages and wakes callers.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.wakers.drain(..).for_each(Waker::wake);
        self.run.deliver()
    }
}

impl Calls {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        let open = Arc::new(AtomicBool::new(true));
        Arc::new(Calls {
            state: Mutex::new(State {
                queue: Queue::default(),
                slots: Vec::new(),
                free: Vec::new(),
                streams: BTreeMap::new(),
                names: NameEncoder::new(0),
                introduced: false,
                driver: None,
                asleep: false,
                stage: Stage::Open,
                open: open.clone(),
                waiting: Vec::new(),
                waited: NEVER,
                pings: Vec::new(),
                pong: None,
                nearest: NEVER,
                begun: 0,
                last: time::now(),
                message_limit: (limits.message_u32() as usize)
                    .min(DEFAULT_PREFACE.message as usize),
                head_limit: (limits.head_u32() as usize).min(DEFAULT_PREFACE.head as usize),
                window: 0,
            }),
            open,
            flushed: AtomicU64::new(0),
            limits,
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Records bytes that have left, and wakes callers that waited for space.
    pub(super) fn flushed(&self, bytes: usize) {
        let flushed = self.flushed.fetch_add(bytes as u64, Ordering::Release) + bytes as u64;
        let mut state = self.lock();
        if !state.waiting.is_empty()
            && state.queue.end() - flushed < self.limits.max_queued_bytes as u64 / 2
        {
            let waiting = std::mem::take(&mut state.waiting);
            state.waited = NEVER;
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether the queue is below its limit.
    fn has_room(&self, state: &State) -> bool {
        let flushed = self.flushed.load(Ordering::Relaxed);
        state.queue.end().saturating_sub(flushed) <= self.limits.max_queued_bytes as u64
    }

    /// Whether a new call may be started here.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Accepts no new calls; the task ends when the last one has.
    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.go_away();
        wake_driver(state);
    }

    /// Sends a PING; the returned future fails when the connection ends.
    pub(super) fn ping(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Gone(_)) {
            state.begun += 1;
            let ping = state.begun;
            state.pings.push((ping, sender));
            write_bare(state.queue.tail(), kind::PING, ping, &[]);
            wake_driver(state);
        }
        receiver
    }

    /// Ends every call: *not sent* or *unknown*, by the position of its frame and the bytes flushed.
    pub(super) fn gone(&self, error: &Error) {
        let flushed = self.flushed.load(Ordering::Acquire);
        let mut wakers = Wakers::new();
        let mut state = self.lock();
        if matches!(state.stage, Stage::Gone(_)) {
            return;
        }
        state.stage = Stage::Gone(error.clone());
        state.open.store(false, Ordering::Relaxed);
        for slot in &mut state.slots {
            let Phase::Waiting(waiting) = &slot.phase else {
                continue;
            };
            let outcome = if waiting.end > flushed {
                unsent(error)
            } else {
                Outcome::Unknown
            };
            let ended = Phase::Ready(Err(error.clone().with_outcome(outcome)));
            if let Phase::Waiting(waiting) = std::mem::replace(&mut slot.phase, ended) {
                wakers.push(waiting.waker);
            }
        }
        let streams = std::mem::take(&mut state.streams);
        wakers.append(&mut state.waiting);
        state.pings.clear();
        drop(state);
        for streams in streams.into_values() {
            if let Some(inbox) = &streams.inbox {
                inbox.end(Err(error.clone().with_outcome(Outcome::Unknown)));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The outcome of a call of which nothing left before the connection ended: the peer's preface may have refused it.
fn unsent(error: &Error) -> Outcome {
    match error.is_wrong_server() {
        true => Outcome::Rejected,
        false => Outcome::NotSent,
    }
}

/// Wakes the connection's task if it sleeps, after the lock is released.
fn wake_driver(mut state: MutexGuard<'_, State>) {
    if !state.asleep {
        return;
    }
    state.asleep = false;
    let driver = state.driver.clone();
    drop(state);
    if let Some(driver) = driver {
        driver.wake();
    }
}

impl Pooled for Calls {
    fn idle_since(&self) -> Option<Nanos> {
        let state = self.lock();
        (state.is_idle() && state.pings.is_empty()).then_some(state.last)
    }

    fn retire(&self) {
        self.drain();
    }
}
