//! Connections between hosts, and the state of the network, which is behind one lock since one thread runs all processes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::Sleep,
};

use super::{clock::Clock, random::Random};

/// Bytes that one direction of a connection holds before its writer waits.
const BUFFER: usize = 32 * 1024;

/// The state of a network, shared by its hosts.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<State>>);

/// The state of a network.
pub(super) struct State {
    clock: Clock,
    pub(super) random: Random,
    pipes: BTreeMap<u64, Pipe>,
    pub(super) listeners: BTreeMap<String, (u64, mpsc::Sender<End>)>,
    /// Hosts without traffic: nothing is read, written or accepted there.
    pub(super) stalled: BTreeSet<String>,
    /// Hosts that refuse connections.
    pub(super) refusing: BTreeSet<String>,
    /// Directions in which no bytes move.
    pub(super) cuts: BTreeSet<(String, String)>,
    /// The longest time on the way; the shortest is a tenth of it.
    pub(super) latency: Duration,
    pub(super) next: u64,
    trace: Trace,
}

/// The events so far, as a hash that is the same in equal runs.
struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

/// One direction of a connection.
struct Pipe {
    /// Its own source, so that one connection does not influence the numbers of others.
    random: Random,
    from: String,
    to: String,
    queue: VecDeque<(Duration, Vec<u8>)>,
    queued: usize,
    last: Duration,
    /// The largest portion written or read at once.
    portion: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The writer has closed it.
    finished: bool,
    /// The reader has closed its end.
    unread: bool,
    reset: bool,
}

impl Pipe {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

impl Shared {
    pub(super) fn new(random: Random, clock: &Clock, latency: Duration, keeps_trace: bool) -> Self {
        Shared(Arc::new(Mutex::new(State {
            clock: clock.clone(),
            random,
            pipes: BTreeMap::new(),
            listeners: BTreeMap::new(),
            stalled: BTreeSet::new(),
            refusing: BTreeSet::new(),
            cuts: BTreeSet::new(),
            latency,
            next: 0,
            trace: Trace {
                hash: 0xcbf2_9ce4_8422_2325,
                lines: keeps_trace.then(Vec::new),
            },
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Opens a connection between two hosts, and returns its ends at `here` and `there`.
    pub(super) fn connect(&self, state: &mut State, here: &str, there: &str) -> (End, End) {
        // Some connections deliver a few bytes at a time, most deliver all there are.
        let portion = *state.random.one_of(&[7, 60, 1_400, 64_000, 64_000]);
        state.next += 1;
        let (out, back) = (state.next * 2, state.next * 2 + 1);
        for (id, from, to) in [(out, here, there), (back, there, here)] {
            let pipe = Pipe {
                random: state.random.fork(),
                from: from.to_owned(),
                to: to.to_owned(),
                queue: VecDeque::new(),
                queued: 0,
                last: state.clock.now(),
                portion,
                reader: None,
                writer: None,
                finished: false,
                unread: false,
                reset: false,
            };
            state.pipes.insert(id, pipe);
        }
        state.note(&format!("{here} is connected to {there}"));
        (self.end(back, out), self.end(out, back))
    }

    fn end(&self, read: u64, write: u64) -> End {
        End {
            shared: self.clone(),
            read,
            write,
            timer: None,
        }
    }
}

impl State {
    pub(super) fn wake_all(&mut self) {
        for pipe in self.pipes.values_mut() {
            pipe.wake();
        }
    }

    pub(super) fn is_cut(&self, from: &str, to: &str) -> bool {
        !self.cuts.is_empty() && self.cuts.contains(&(from.to_owned(), to.to_owned()))
    }

    pub(super) fn note(&mut self, event: &str) {
        self.trace.note(self.clock.now(), event);
    }

    pub(super) fn reset(&mut self, host: &str) {
        for pipe in self.pipes.values_mut() {
            if pipe.from == host || pipe.to == host {
                pipe.reset = true;
                pipe.wake();
            }
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.pipes.len() / 2
    }

    pub(super) fn trace(&self) -> (u64, Vec<String>) {
        let lines = self.trace.lines.clone().unwrap_or_default();
        (self.trace.hash, lines)
    }
}

impl Trace {
    fn note(&mut self, at: Duration, event: &str) {
        let at = at.as_micros() as u64;
        for byte in at.to_le_bytes().into_iter().chain(event.bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10.3} ms  {event}", at as f64 / 1000.0));
        }
    }
}

/// The number of bytes that move at once: mostly at most `max`, sometimes all, so that large messages arrive in time.
fn portion(random: &mut Random, max: u64) -> usize {
    let max = if random.chance(20) { 64_000 } else { max };
    random.within(1..max + 1) as usize
}

/// How long bytes are on the way, at a latency.
pub(super) fn delay(random: &mut Random, latency: Duration) -> Duration {
    let max = latency.as_micros() as u64;
    Duration::from_micros(random.within(max / 10..max + 1))
}

/// The host of an address `HOST:PORT`.
pub(super) fn host_of(address: &str) -> &str {
    address.split(':').next().unwrap_or(address)
}

/// One end of a connection.
pub(super) struct End {
    shared: Shared,
    read: u64,
    write: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut guard = this.shared.lock();
        let state = &mut *guard;
        let stopped = {
            let pipe = &state.pipes[&this.read];
            state.stalled.contains(&pipe.to) || state.is_cut(&pipe.from, &pipe.to)
        };
        let pipe = state
            .pipes
            .get_mut(&this.read)
            .expect("an end keeps its pipes open");
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if stopped {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some((at, bytes)) = pipe.queue.front_mut() else {
            if pipe.finished {
                return Poll::Ready(Ok(()));
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let at = *at;
        if at > state.clock.now() {
            let at = state.clock.own(at);
            pipe.reader = Some(cx.waker().clone());
            let timer = this
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let portion = portion(&mut pipe.random, pipe.portion);
        let count = bytes.len().min(buffer.remaining()).min(portion);
        buffer.put_slice(&bytes[..count]);
        bytes.drain(..count);
        if bytes.is_empty() {
            pipe.queue.pop_front();
        }
        pipe.queued -= count;
        let event = format!("{} reads {count} bytes from {}", pipe.to, pipe.from);
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        state.note(&event);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut guard = this.shared.lock();
        let state = &mut *guard;
        let (now, latency) = (state.clock.now(), state.latency);
        let pipe = state
            .pipes
            .get_mut(&this.write)
            .expect("an end keeps its pipes open");
        if pipe.reset || pipe.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = BUFFER - pipe.queued;
        if state.stalled.contains(&pipe.from) || room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let portion = portion(&mut pipe.random, pipe.portion);
        let mut left = room.min(portion);
        let mut written = Vec::new();
        for slice in slices {
            let count = slice.len().min(left);
            written.extend_from_slice(&slice[..count]);
            left -= count;
        }
        let count = written.len();
        if !pipe.unread {
            // Never before what was written earlier.
            pipe.last = pipe.last.max(now + delay(&mut pipe.random, latency));
            pipe.queued += count;
            pipe.queue.push_back((pipe.last, written));
            let event = format!("{} writes {count} bytes to {}", pipe.from, pipe.to);
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
            state.note(&event);
        } else {
            // The other side is closed: the next write fails.
            pipe.reset = true;
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.lock();
        if let Some(pipe) = state.pipes.get_mut(&self.write) {
            pipe.finished = true;
            pipe.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        // As in TCP: closing with unread bytes resets the connection.
        let mut broken = false;
        let mut other_gone = false;
        if let Some(pipe) = state.pipes.get_mut(&self.read) {
            broken = !pipe.queue.is_empty();
            pipe.queue.clear();
            pipe.queued = 0;
            pipe.unread = true;
            other_gone = pipe.finished;
            pipe.wake();
        }
        if let Some(pipe) = state.pipes.get_mut(&self.write) {
            pipe.finished = true;
            pipe.reset |= broken;
            other_gone &= pipe.unread;
            pipe.wake();
        }
        if other_gone {
            state.pipes.remove(&self.read);
            state.pipes.remove(&self.write);
        }
    }
}
