//! A network of named hosts on virtual time: bytes take time, come in any portions, or not at all.
//!
//! An address is `HOST:PORT`. Everything is behind one lock, which one thread uses.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use micro::transport::io::{Acceptor, Io, Network};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::Sleep,
};

use super::{clock::Clock, random::Random};

/// Bytes that one direction of a connection holds before its writer waits.
const BUFFER: usize = 32 * 1024;

/// The whole network; clones are the same one.
#[derive(Clone)]
pub struct Internet(Arc<Mutex<World>>);

struct World {
    clock: Clock,
    random: Random,
    pipes: BTreeMap<u64, Pipe>,
    listeners: BTreeMap<String, (u64, mpsc::Sender<End>)>,
    /// Hosts that stand still: nothing is read, written or accepted there.
    frozen: BTreeSet<String>,
    /// Hosts where every connection is refused.
    refusing: BTreeSet<String>,
    /// Directions in which nothing moves.
    cuts: BTreeSet<(String, String)>,
    /// The longest time under way; the shortest is a tenth of it.
    latency: Duration,
    next: u64,
    trace: Trace,
}

/// What happened, as a number that two equal runs share.
struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

/// One direction of a connection.
struct Pipe {
    /// Its own, so that what happens to one connection leaves the others as they are.
    random: Random,
    from: String,
    to: String,
    queue: VecDeque<(Duration, Vec<u8>)>,
    queued: usize,
    last: Duration,
    /// The largest portion that is written or read at once.
    portion: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The writer has closed it.
    finished: bool,
    /// The reader has gone.
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

impl Internet {
    /// A network whose every delay and portion follows from the random source.
    pub fn new(random: Random, clock: &Clock, keep_lines: bool) -> Self {
        Internet(Arc::new(Mutex::new(World {
            clock: clock.clone(),
            random,
            pipes: BTreeMap::new(),
            listeners: BTreeMap::new(),
            frozen: BTreeSet::new(),
            refusing: BTreeSet::new(),
            cuts: BTreeSet::new(),
            latency: Duration::from_millis(2),
            next: 0,
            trace: Trace {
                hash: 0xcbf2_9ce4_8422_2325,
                lines: keep_lines.then(Vec::new),
            },
        })))
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no test panics within the network")
    }

    /// The network as one host sees it.
    pub fn host(&self, name: &str) -> Host {
        Host {
            internet: self.clone(),
            name: name.to_owned(),
        }
    }

    /// Notes an event in the trace.
    pub fn note(&self, event: &str) {
        self.lock().note(event);
    }

    /// A number that stands for all that happened so far.
    pub fn hash(&self) -> u64 {
        self.lock().trace.hash
    }

    /// The trace itself, where it was kept.
    pub fn lines(&self) -> Vec<String> {
        self.lock().trace.lines.clone().unwrap_or_default()
    }

    /// The longest time that bytes are under way.
    pub fn set_latency(&self, most: Duration) {
        self.lock().latency = most;
    }

    /// Whether bytes move from a host to another.
    pub fn cut(&self, from: &str, to: &str, is_cut: bool) {
        let mut world = self.lock();
        let direction = (from.to_owned(), to.to_owned());
        if is_cut {
            world.cuts.insert(direction);
        } else {
            world.cuts.remove(&direction);
        }
        world.wake_all();
    }

    /// Makes a host stand still, or go on.
    pub fn freeze(&self, host: &str, is_frozen: bool) {
        let mut world = self.lock();
        if is_frozen {
            world.frozen.insert(host.to_owned());
        } else {
            world.frozen.remove(host);
        }
        world.wake_all();
    }

    /// Makes a host refuse new connections, or take them again.
    pub fn refuse(&self, host: &str, is_refusing: bool) {
        let mut world = self.lock();
        if is_refusing {
            world.refusing.insert(host.to_owned());
        } else {
            world.refusing.remove(host);
        }
    }

    /// Breaks every connection of a host.
    pub fn reset(&self, host: &str) {
        let mut world = self.lock();
        for pipe in world.pipes.values_mut() {
            if pipe.from == host || pipe.to == host {
                pipe.reset = true;
                pipe.wake();
            }
        }
    }

    /// What the kernel does when a process dies: its listeners and connections are gone.
    pub fn kill(&self, host: &str) {
        let gone: Vec<_> = {
            let mut world = self.lock();
            let addresses = world.listeners.keys();
            let own = addresses.filter(|address| host_of(address) == host);
            let own: Vec<_> = own.cloned().collect();
            own.iter()
                .map(|address| world.listeners.remove(address))
                .collect()
        };
        drop(gone);
        self.reset(host);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.lock().pipes.len() / 2
    }
}

impl World {
    fn wake_all(&mut self) {
        for pipe in self.pipes.values_mut() {
            pipe.wake();
        }
    }

    fn is_cut(&self, from: &str, to: &str) -> bool {
        !self.cuts.is_empty() && self.cuts.contains(&(from.to_owned(), to.to_owned()))
    }

    fn note(&mut self, event: &str) {
        self.trace.note(self.clock.now(), event);
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

/// How many bytes move at once: mostly at most so many, now and then all, lest it take for ever.
fn portion(random: &mut Random, most: u64) -> usize {
    let most = if random.chance(20) { 64_000 } else { most };
    random.within(1..most + 1) as usize
}

/// How long bytes are under way, where it takes `most` at the longest.
fn delay(random: &mut Random, most: Duration) -> Duration {
    let most = most.as_micros() as u64;
    Duration::from_micros(random.within(most / 10..most + 1))
}

fn host_of(address: &str) -> &str {
    address.split(':').next().unwrap_or(address)
}

/// One host's access to the network.
#[derive(Clone)]
pub struct Host {
    internet: Internet,
    name: String,
}

#[async_trait]
impl Network for Host {
    async fn connect(&self, address: &str) -> io::Result<Io> {
        let there = host_of(address);
        let delay = {
            let mut world = self.internet.lock();
            world.note(&format!("{} tries {address}", self.name));
            let latency = world.latency;
            delay(&mut world.random, latency) * 2
        };
        tokio::time::sleep(delay).await;
        while {
            let world = self.internet.lock();
            world.is_cut(&self.name, there) || world.is_cut(there, &self.name)
        } {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (ours, theirs, listener) = {
            let mut world = self.internet.lock();
            if world.refusing.contains(there) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let Some((_, listener)) = world.listeners.get(address).cloned() else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let (ours, theirs) = self.internet.pair(&mut world, &self.name, there);
            (ours, theirs, listener)
        };
        listener
            .try_send(theirs)
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Io::Other(Box::new(ours)))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Acceptor>> {
        let mut world = self.internet.lock();
        if world.listeners.contains_key(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, incoming) = mpsc::channel(64);
        world.next += 1;
        let number = world.next;
        world.listeners.insert(address.to_owned(), (number, sender));
        Ok(Box::new(Listening {
            host: self.clone(),
            address: address.to_owned(),
            number,
            incoming: tokio::sync::Mutex::new(incoming),
        }))
    }
}

impl Internet {
    fn pair(&self, world: &mut World, here: &str, there: &str) -> (End, End) {
        // Some connections bring a few bytes at a time, most whatever there is.
        let portion = *world.random.one_of(&[7, 60, 1_400, 64_000, 64_000]);
        world.next += 1;
        let (out, back) = (world.next * 2, world.next * 2 + 1);
        for (id, from, to) in [(out, here, there), (back, there, here)] {
            let pipe = Pipe {
                random: world.random.fork(),
                from: from.to_owned(),
                to: to.to_owned(),
                queue: VecDeque::new(),
                queued: 0,
                last: world.clock.now(),
                portion,
                reader: None,
                writer: None,
                finished: false,
                unread: false,
                reset: false,
            };
            world.pipes.insert(id, pipe);
        }
        world.note(&format!("{here} connects to {there}"));
        (self.end(back, out), self.end(out, back))
    }

    fn end(&self, read: u64, write: u64) -> End {
        End {
            internet: self.clone(),
            read,
            write,
            timer: None,
        }
    }
}

struct Listening {
    host: Host,
    address: String,
    number: u64,
    incoming: tokio::sync::Mutex<mpsc::Receiver<End>>,
}

#[async_trait]
impl Acceptor for Listening {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn accept(&self) -> io::Result<Io> {
        let end = self.incoming.lock().await.recv().await;
        let Some(end) = end else {
            return std::future::pending().await;
        };
        while self.host.internet.lock().frozen.contains(&self.host.name) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Io::Other(Box::new(end)))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut world = self.host.internet.lock();
        let ours = world.listeners.get(&self.address);
        if ours.is_some_and(|(number, _)| *number == self.number) {
            let gone = world.listeners.remove(&self.address);
            drop(world);
            drop(gone);
        }
    }
}

/// One end of a connection.
struct End {
    internet: Internet,
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
        let mut guard = this.internet.lock();
        let world = &mut *guard;
        let stopped = {
            let pipe = &world.pipes[&this.read];
            world.frozen.contains(&pipe.to) || world.is_cut(&pipe.from, &pipe.to)
        };
        let pipe = world.pipes.get_mut(&this.read).expect("it is open");
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
        if at > world.clock.now() {
            let at = world.clock.own(at);
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
        let event = format!("{} has {count} bytes from {}", pipe.to, pipe.from);
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        world.note(&event);
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
        let mut guard = this.internet.lock();
        let world = &mut *guard;
        let (now, latency) = (world.clock.now(), world.latency);
        let pipe = world.pipes.get_mut(&this.write).expect("it is open");
        if pipe.reset || pipe.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = BUFFER - pipe.queued;
        if world.frozen.contains(&pipe.from) || room == 0 {
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
            let event = format!("{} to {}: {count} bytes", pipe.from, pipe.to);
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
            world.note(&event);
        } else {
            // The other side has gone; the next write will be told.
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
        let mut world = self.internet.lock();
        if let Some(pipe) = world.pipes.get_mut(&self.write) {
            pipe.finished = true;
            pipe.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut guard = self.internet.lock();
        let world = &mut *guard;
        // As TCP does it: closing with bytes unread breaks the connection, else it ends in order.
        let mut broken = false;
        let mut other_gone = false;
        if let Some(pipe) = world.pipes.get_mut(&self.read) {
            broken = !pipe.queue.is_empty();
            pipe.queue.clear();
            pipe.queued = 0;
            pipe.unread = true;
            other_gone = pipe.finished;
            pipe.wake();
        }
        if let Some(pipe) = world.pipes.get_mut(&self.write) {
            pipe.finished = true;
            pipe.reset |= broken;
            other_gone &= pipe.unread;
            pipe.wake();
        }
        if other_gone {
            world.pipes.remove(&self.read);
            world.pipes.remove(&self.write);
        }
    }
}
