//! The calls of one connection, as their callers and the connection's task share them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    frame::{self, Name, RequestHead, StatusRead, kind, write_bare, write_request},
    names::Names,
    preface::{Preface, UNSAID},
    queue::Queue,
    reader::Frame,
    stream::{Credit, Inbox, Incoming, Outlet, pump, too_large},
};
use crate::{
    error::{Code, Error, Outcome, Result},
    message::{Body, Request, Response},
    time::{self, NEVER, Nanos},
    transport::{Attempt, Connection, limits::Limits, pool::Pooled},
};

/// One connection's calls.
pub(super) struct Calls {
    state: Mutex<State>,
    /// Whether a new call may be begun here; follows the stage.
    open: Arc<AtomicBool>,
    /// Bytes that have left for the socket, of all ever queued.
    flushed: AtomicU64,
    limits: Arc<Limits>,
}

pub(super) struct State {
    pub(super) queue: Queue,
    slots: Vec<Slot>,
    /// Slots that wait for a call.
    free: Vec<u32>,
    /// Calls whose head came, or whose request streams: by their id, until both sides have ended.
    streams: BTreeMap<u64, Streams>,
    names: Names,
    /// The connection's task, and whether it sleeps.
    driver: Option<Waker>,
    asleep: bool,
    stage: Stage,
    /// Whether the stage is open, for who does not hold the lock.
    open: Arc<AtomicBool>,
    /// Callers that wait for room in the queue.
    waiting: Vec<Waker>,
    /// Who waits for a sign of life, by the number of its PING.
    pings: Vec<(u64, oneshot::Sender<()>)>,
    /// The earliest time at which a call must be looked at.
    pub(super) nearest: Nanos,
    /// Calls begun so far.
    pub(super) begun: u64,
    /// When the last was begun.
    last: Nanos,
    /// The largest message the other side takes.
    message_limit: usize,
    /// The largest head it takes.
    head_limit: usize,
    /// The credit a stream begins with, as the other side said; 0 until it has.
    window: u32,
}

enum Stage {
    Open,
    /// The other side takes no more; those begun go on.
    Draining,
    Gone(Error),
}

struct Slot {
    generation: u32,
    phase: Phase,
}

enum Phase {
    Free,
    Waiting(Waiting),
    Ready(Result<Response>),
}

struct Waiting {
    waker: Waker,
    /// Where its frame begins and ends among all bytes ever queued.
    start: u64,
    end: u64,
    /// When it is looked at next.
    patience: Nanos,
    deadline: Nanos,
    repeatable: bool,
}

#[derive(Default)]
struct Streams {
    inbox: Option<Arc<Inbox>>,
    credit: Option<Arc<Credit>>,
    pump: Option<AbortHandle>,
}

impl Drop for Streams {
    fn drop(&mut self) {
        if let Some(pump) = &self.pump {
            pump.abort();
        }
    }
}

/// Wakers to be woken once the lock is free.
pub(super) type Wakers = Vec<Waker>;

impl Calls {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        let open = Arc::new(AtomicBool::new(true));
        Arc::new(Calls {
            state: Mutex::new(State {
                queue: Queue::default(),
                slots: Vec::new(),
                free: Vec::new(),
                streams: BTreeMap::new(),
                names: Names::new(0),
                driver: None,
                asleep: false,
                stage: Stage::Open,
                open: open.clone(),
                waiting: Vec::new(),
                pings: Vec::new(),
                nearest: NEVER,
                begun: 0,
                last: time::now(),
                message_limit: (limits.message_u32() as usize).min(UNSAID.message as usize),
                head_limit: (limits.head_u32() as usize).min(UNSAID.head as usize),
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

    /// Notes bytes that have left; callers that waited for room are woken.
    pub(super) fn flushed(&self, bytes: usize) {
        let flushed = self.flushed.fetch_add(bytes as u64, Ordering::Release) + bytes as u64;
        let mut state = self.lock();
        if !state.waiting.is_empty() && state.queue.end() - flushed < self.limits.queue as u64 / 2 {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether less than its limit is queued.
    fn has_room(&self, state: &State) -> bool {
        let flushed = self.flushed.load(Ordering::Relaxed);
        state.queue.end().saturating_sub(flushed) <= self.limits.queue as u64
    }

    /// Whether a new call may be begun here.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes no new calls; the task ends when the last one has.
    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.go_away();
        wake_driver(state);
    }

    /// Asks for a sign of life; what it gives fails when the connection ends.
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

    /// Ends every call: *not sent* or *unknown*, by where its frame stands against what was flushed.
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
                Outcome::NotSent
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

/// Wakes the connection's task if it sleeps, after the lock is free.
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

impl State {
    /// Notes that the connection's task sleeps until `cx` is woken.
    pub(super) fn sleep(&mut self, cx: &Context<'_>) {
        if !self
            .driver
            .as_ref()
            .is_some_and(|driver| driver.will_wake(cx.waker()))
        {
            self.driver = Some(cx.waker().clone());
        }
        self.asleep = true;
    }

    /// What the other side said of itself.
    pub(super) fn introduced(&mut self, other: &Preface, limits: &Limits) {
        self.message_limit = limits.message_u32().min(other.message) as usize;
        self.head_limit = limits.head_u32().min(other.head) as usize;
        let names = u16::try_from(other.names).unwrap_or(u16::MAX);
        self.names = Names::new(names.min(limits.names));
        self.window = other.window;
        for streams in self.streams.values() {
            if let Some(credit) = &streams.credit {
                credit.grant(other.window);
            }
        }
    }

    /// Whether the connection has nothing left to do and takes nothing new.
    pub(super) fn is_done(&self) -> bool {
        !matches!(self.stage, Stage::Open) && self.is_idle()
    }

    /// Whether so few calls are out that their answers do not come in batches anyway.
    pub(super) fn has_few(&self) -> bool {
        const FEW: usize = 4;
        (1..=FEW).contains(&(self.slots.len() - self.free.len()))
    }

    /// Whether no call is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len() && self.streams.is_empty()
    }

    /// Begins no new calls; the connection ends with the last one.
    pub(super) fn go_away(&mut self) {
        if matches!(self.stage, Stage::Open) {
            self.stage = Stage::Draining;
            self.open.store(false, Ordering::Relaxed);
        }
    }

    fn free(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.phase = Phase::Free;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
    }

    /// The slot of an id, if its generation is still that of the id.
    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id as u32 as usize)?;
        (slot.generation == (id >> 32) as u32).then_some(slot)
    }

    /// Ends a waiting call and collects its waker.
    fn complete(&mut self, id: u64, answer: Result<Response>, wakers: &mut Wakers) {
        let Some(slot) = self.slot(id) else { return };
        if !matches!(slot.phase, Phase::Waiting(_)) {
            return;
        }
        if let Phase::Waiting(waiting) = std::mem::replace(&mut slot.phase, Phase::Ready(answer)) {
            wakers.push(waiting.waker);
        }
    }

    /// Ends the waits that are over, and finds the next time to look.
    pub(super) fn sweep(&mut self, now: Nanos, wakers: &mut Wakers) {
        let mut nearest = NEVER;
        for index in 0..self.slots.len() {
            let id = u64::from(self.slots[index].generation) << 32 | index as u64;
            let Phase::Waiting(waiting) = &mut self.slots[index].phase else {
                continue;
            };
            if waiting.patience > now {
                nearest = nearest.min(waiting.patience);
                continue;
            }
            let over = now >= waiting.deadline;
            let unsent = self.queue.erase(waiting.start);
            if !unsent && !waiting.repeatable && !over {
                // The work may be under way and must not be asked for twice: wait for the answer.
                waiting.patience = waiting.deadline;
                nearest = nearest.min(waiting.deadline);
                continue;
            }
            let outcome = if unsent {
                Outcome::NotSent
            } else {
                write_bare(self.queue.tail(), kind::CANCEL, id, &[]);
                Outcome::Unknown
            };
            let error = if over {
                Error::deadline_exceeded("no answer before the deadline")
            } else {
                Error::unavailable("no answer in the time other calls take")
            };
            self.streams.remove(&id);
            self.complete(id, Err(error.with_outcome(outcome)), wakers);
        }
        self.nearest = nearest;
    }

    /// Takes a frame from the server in.
    pub(super) fn frame(
        &mut self,
        calls: &Arc<Calls>,
        frame: Frame<'_>,
        received: Nanos,
        wakers: &mut Wakers,
    ) -> Result<()> {
        let id = frame.header.id;
        match frame.header.kind {
            kind::RESPONSE => {
                let status = frame::read_status(frame.head()).ok_or_else(damaged)?;
                let flags = frame.header.flags;
                let answer = match status {
                    StatusRead::Failed(error) => Err(error),
                    StatusRead::Fine {
                        content_type,
                        metadata,
                        load,
                    } => {
                        let body = if flags & frame::STREAM == 0 {
                            Body::from(frame.body())
                        } else {
                            match self.open_inbox(calls, id) {
                                Some(body) => body,
                                None => return Ok(()),
                            }
                        };
                        let mut response = Response::new(content_type, body);
                        *response.metadata_mut() = metadata;
                        response.load = load;
                        response.received = received;
                        Ok(response)
                    }
                };
                if !self.streams.is_empty() && flags & frame::STREAM == 0 {
                    // Whole answers end the call; what the request still streams is of no use.
                    self.streams.remove(&id);
                }
                self.complete(id, answer, wakers);
            }
            kind::DATA => {
                if let Some(inbox) = self.streams.get(&id).and_then(|s| s.inbox.clone()) {
                    inbox.push(frame.body())?;
                }
            }
            kind::END => {
                let end = match frame::read_status(frame.head()).ok_or_else(damaged)? {
                    StatusRead::Fine { .. } => Ok(()),
                    StatusRead::Failed(error) => Err(error),
                };
                if let Some(streams) = self.streams.remove(&id)
                    && let Some(inbox) = &streams.inbox
                {
                    inbox.end(end);
                }
            }
            kind::CREDIT => {
                let granted = frame.tail().try_into().map_err(|_| damaged())?;
                if let Some(credit) = self.streams.get(&id).and_then(|s| s.credit.as_ref()) {
                    credit.grant(u32::from_le_bytes(granted));
                }
            }
            kind::PING => write_bare(self.queue.tail(), kind::PONG, id, &[]),
            kind::PONG => {
                if let Some(place) = self.pings.iter().position(|(ping, _)| *ping == id) {
                    let _ = self.pings.swap_remove(place).1.send(());
                }
            }
            kind::GO_AWAY => {
                // Without a head it is a goodbye; with one, why the connection ends.
                if let Some(StatusRead::Failed(why)) = frame::read_status(frame.head()) {
                    return Err(Error::unavailable(format!(
                        "it ended the connection: {}",
                        why.message()
                    )));
                }
                self.go_away();
            }
            _ => {}
        }
        Ok(())
    }

    fn open_inbox(&mut self, calls: &Arc<Calls>, id: u64) -> Option<Body> {
        let window = calls.limits.window;
        // Nobody waits for it any more: the cancel is on its way.
        matches!(self.slot(id)?.phase, Phase::Waiting(_)).then_some(())?;
        let inbox = Inbox::new(window);
        self.streams.entry(id).or_default().inbox = Some(inbox.clone());
        let incoming = Incoming::new(inbox, calls.clone(), id, window);
        Some(Body::stream(incoming))
    }
}

fn damaged() -> Error {
    Error::data_loss("a frame could not be read")
}

impl Outlet for Calls {
    fn write(&self, write: &mut dyn FnMut(&mut Queue)) {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Gone(_)) {
            write(&mut state.queue);
            wake_driver(state);
        }
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let gone = matches!(state.stage, Stage::Gone(_));
        if gone || self.has_room(&state) {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn give_up(&self, id: u64) {
        let mut state = self.lock();
        // The other side says nothing more of a call that was cancelled.
        let streams = state.streams.remove(&id);
        if !matches!(state.stage, Stage::Gone(_)) {
            write_bare(state.queue.tail(), kind::CANCEL, id, &[]);
        }
        wake_driver(state);
        drop(streams);
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

/// A connection as callers hold it.
pub(super) struct Handle(pub(super) Arc<Calls>);

impl Connection for Handle {
    fn start(
        &self,
        request: &mut Request,
        attempt: &Attempt,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>> {
        let calls = &self.0;
        let mut guard = calls.lock();
        let state = &mut *guard;
        match &state.stage {
            Stage::Open => {}
            Stage::Draining => return Poll::Ready(Err(going_away())),
            Stage::Gone(error) => {
                return Poll::Ready(Err(error.clone().with_outcome(Outcome::NotSent)));
            }
        }
        let start = state.queue.end();
        if !calls.has_room(state) {
            state.waiting.push(cx.waker().clone());
            return Poll::Pending;
        }
        let index = match state.free.last() {
            Some(index) => *index,
            None if state.slots.len() < calls.limits.calls => {
                state.slots.push(Slot {
                    generation: 0,
                    phase: Phase::Free,
                });
                let index = (state.slots.len() - 1) as u32;
                state.free.push(index);
                index
            }
            None => {
                return Poll::Ready(Err(Error::resource_exhausted(format!(
                    "{0} calls are under way on one connection, over the limit `calls` of {0}",
                    calls.limits.calls
                ))
                .with_outcome(Outcome::NotSent)));
            }
        };
        let id = u64::from(state.slots[index as usize].generation) << 32 | u64::from(index);
        let whole = request.body().as_bytes();
        let length = whole.map_or(0, |body| body.len());
        if length > state.message_limit {
            let error = too_large(length, state.message_limit);
            return Poll::Ready(Err(error.with_outcome(Outcome::NotSent)));
        }
        let context = request.context();
        let deadline = context.deadline();
        let name = state.names.name(request.target());
        let head = RequestHead {
            name,
            left: frame::left(deadline, attempt.now),
            attempts: attempt.attempts,
            content_type: request.content_type(),
            context,
        };
        let flags = if whole.is_some() { 0 } else { frame::STREAM };
        let written = write_request(
            state.queue.tail(),
            id,
            flags,
            &head,
            length,
            state.head_limit,
        );
        if let Err(error) = written {
            if matches!(name, Name::New { .. }) {
                state.names.forget(request.target());
            }
            return Poll::Ready(Err(error.with_outcome(Outcome::NotSent)));
        }
        match whole {
            Some(body) => state.queue.push_body(body),
            None => {
                let credit = Credit::new(state.window);
                let pump = send_stream(calls, request.spend(), &credit, id, state.message_limit);
                state.streams.insert(
                    id,
                    Streams {
                        inbox: None,
                        credit: Some(credit),
                        pump: Some(pump),
                    },
                );
            }
        }
        let patience = attempt.patience.min(deadline);
        state.free.pop();
        state.begun += 1;
        state.last = attempt.now;
        state.slots[index as usize].phase = Phase::Waiting(Waiting {
            waker: cx.waker().clone(),
            start,
            end: state.queue.end(),
            patience,
            deadline,
            repeatable: attempt.repeatable,
        });
        state.nearest = state.nearest.min(patience);
        wake_driver(guard);
        Poll::Ready(Ok(id))
    }

    fn answer(&self, id: u64, cx: &mut Context<'_>) -> Poll<Result<Response>> {
        let mut state = self.0.lock();
        let Some(slot) = state.slot(id) else {
            let error = Error::internal("an answer was asked for twice");
            return Poll::Ready(Err(error.with_outcome(Outcome::Unknown)));
        };
        match &mut slot.phase {
            Phase::Waiting(waiting) => {
                if !waiting.waker.will_wake(cx.waker()) {
                    waiting.waker = cx.waker().clone();
                }
                Poll::Pending
            }
            phase => {
                let phase = std::mem::replace(phase, Phase::Free);
                state.free(id as u32);
                if state.is_done() {
                    // The driver has looked while this answer was not taken yet, and sleeps.
                    wake_driver(state);
                }
                match phase {
                    Phase::Ready(answer) => Poll::Ready(answer),
                    _ => Poll::Ready(Err(Error::internal("a call was lost"))),
                }
            }
        }
    }

    fn cancel(&self, id: u64) {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        let Some(slot) = state.slot(id) else { return };
        let phase = std::mem::replace(&mut slot.phase, Phase::Free);
        state.free(id as u32);
        let streams = state.streams.remove(&id);
        if let Phase::Waiting(waiting) = &phase
            && !state.queue.erase(waiting.start)
        {
            write_bare(state.queue.tail(), kind::CANCEL, id, &[]);
        }
        wake_driver(guard);
        // These may hold the connection's own streams, whose ends lock it again.
        drop((phase, streams));
    }
}

fn going_away() -> Error {
    Error::new(Code::Unavailable, "the node is going away").with_outcome(Outcome::NotSent)
}

/// Sends a request's stream beside its call; ended with the call.
fn send_stream(
    calls: &Arc<Calls>,
    body: Body,
    credit: &Arc<Credit>,
    id: u64,
    limit: usize,
) -> AbortHandle {
    let (calls, credit) = (calls.clone(), credit.clone());
    tokio::spawn(async move {
        let end = pump(body.into_stream(), &*calls, &credit, id, limit).await;
        calls.write(&mut |queue| match &end {
            Ok(()) => frame::write_end(queue.tail(), id, None),
            Err(error) => frame::write_end(queue.tail(), id, Some(error)),
        });
    })
    .abort_handle()
}
