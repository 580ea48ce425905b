//! The task of a server's connection: reads requests, begins them in place, writes what is answered.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, task::AbortHandle};

use super::{
    driver::Timer,
    frame::{self, Status, kind, write_bare, write_status},
    names::Known,
    polling::Polling,
    preface::{Preface, Read, UNSAID},
    queue::{Queue, Writer},
    reader::{Frame, Reader},
    stream::{Credit, Inbox, Incoming, Outlet, pump},
};
use crate::{
    call::{Answer, Begun, Call},
    context::Context as CallContext,
    error::{Error, Outcome, Result},
    message::{Body, ContentType, Request, Response, Target},
    time::{self, NEVER, Nanos, nanos},
    transport::{
        Limits,
        io::Io,
        protocol::{Accepted, Seat},
    },
};

/// What the connection's task and its calls' tasks share.
pub(super) struct Served {
    state: Mutex<State>,
    /// Bytes queued before streams wait.
    queue: u64,
}

struct State {
    queue: Queue,
    /// Calls that did not end at their first poll, and streams.
    running: BTreeMap<u64, Running>,
    driver: Option<Waker>,
    asleep: bool,
    gone: bool,
    /// Streams that wait for room in the queue.
    waiting: Vec<Waker>,
}

#[derive(Default)]
struct Running {
    task: Option<AbortHandle>,
    inbox: Option<Arc<Inbox>>,
    credit: Option<Arc<Credit>>,
}

impl Outlet for Served {
    fn write(&self, write: &mut dyn FnMut(&mut Queue)) {
        let mut state = self.state.lock();
        if state.gone {
            return;
        }
        write(&mut state.queue);
        let driver = state.asleep.then(|| state.driver.clone()).flatten();
        state.asleep = false;
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.gone || state.queue.length() <= self.queue {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Nothing to say: a handler may leave the rest of a stream unread and answer all the same.
    fn give_up(&self, _: u64) {}
}

/// Serves one connection until it ends.
pub(super) async fn serve(accepted: Accepted, call: Arc<dyn Call>, limits: Arc<Limits>) {
    let Accepted {
        mut io,
        mut first,
        seat,
    } = accepted;
    let preface =
        match tokio::time::timeout(limits.handshake, greet(&mut io, &mut first, &limits)).await {
            Ok(Ok(preface)) => preface,
            Ok(Err(error)) => return tracing::debug!(%error, "a connection was not begun"),
            Err(_) => return tracing::debug!("a connection did not introduce itself in time"),
        };
    let served = Arc::new(Served {
        state: Mutex::new(State {
            queue: Queue::default(),
            running: BTreeMap::new(),
            driver: None,
            asleep: false,
            gone: false,
            waiting: Vec::new(),
        }),
        queue: limits.queue as u64,
    });
    let driver = Driver {
        // Requests sent before our preface was read keep to what is taken of a side unsaid.
        reader: Reader::new(
            limits.message.max(UNSAID.message as usize) + usize::from(u16::MAX),
            first,
        )
        .looking_ahead(),
        writer: Writer::default(),
        polling: Polling::new(limits.poll),
        timer: Timer::new(),
        last_read: time::now(),
        pinged: None,
        amid_since: None,
        blocked: false,
        said_goodbye: false,
        io,
        session: Session {
            names: Known::new(limits.names),
            own: Queue::default(),
            preface,
            limits,
            served,
            call,
            seat,
            full: false,
            parked: VecDeque::new(),
            crowded: false,
        },
    };
    let error = driver.run().await;
    tracing::trace!(%error, "a connection ended");
}

async fn greet(io: &mut Io, first: &mut Vec<u8>, limits: &Limits) -> Result<Preface> {
    let mut out = Vec::with_capacity(64);
    Preface::of(limits).write(&mut out);
    io.write_all(&out).await?;
    loop {
        if let Read::Done(preface, length) = Preface::read(first)? {
            preface.version()?;
            first.drain(..length);
            return Ok(preface);
        }
        if io.read_buf(first).await? == 0 {
            return Err(Error::unavailable("the other side closed it"));
        }
    }
}

/// What is known of the other side and done for it.
struct Session {
    served: Arc<Served>,
    /// What the connection's own task queues, without a lock.
    own: Queue,
    limits: Arc<Limits>,
    preface: Preface,
    names: Known,
    call: Arc<dyn Call>,
    seat: Seat,
    /// Whether more is queued than the limit: nothing is begun until it is written.
    full: bool,
    /// Frames read in one batch with what filled the queue, to be looked at when it is written.
    parked: VecDeque<Frame<'static>>,
    /// Whether as many calls as may be were at work when the last was begun.
    crowded: bool,
}

struct Driver {
    session: Session,
    io: Io,
    reader: Reader,
    writer: Writer,
    polling: Option<Polling>,
    timer: Timer,
    last_read: Nanos,
    pinged: Option<Nanos>,
    /// Since when a frame has been under way.
    amid_since: Option<Nanos>,
    /// Whether the other side did not take what was last written to it.
    blocked: bool,
    said_goodbye: bool,
}

/// How long what is still under way from a connection given up is read, so that it is not reset
/// before the other side has read why.
const LINGER: Duration = Duration::from_secs(1);

/// Reads of one poll before others on the thread have their turn.
const READS: usize = 4;

impl Driver {
    async fn run(mut self) -> Error {
        let now = time::now();
        let session = &mut self.session;
        let first = self
            .reader
            .first_frames(&mut |frame| session.frame(frame, now));
        if let Err(error) = first {
            return self.give_up(error).await;
        }
        self.amid_since = self.reader.is_amid().then_some(now);
        let error = poll_fn(|cx| match self.poll(cx) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        })
        .await;
        self.give_up(error).await
    }

    /// Says why, as far as the other side still listens.
    async fn give_up(&mut self, error: Error) -> Error {
        let mut bytes = Vec::new();
        if write_status(
            &mut bytes,
            kind::GO_AWAY,
            0,
            0,
            &Status::Failed(&error),
            0,
            u16::MAX.into(),
        )
        .is_ok()
            && self.writer.is_empty()
        {
            let io = &mut self.io;
            let farewell = async {
                io.write_all(&bytes).await?;
                io.shutdown().await?;
                let mut rest = [0; 4096];
                while io.read(&mut rest).await? > 0 {}
                std::io::Result::Ok(())
            };
            let _ = tokio::time::timeout(LINGER, farewell).await;
        }
        error
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Result<()> {
        self.write(cx)?;
        self.read(cx)?;
        self.write(cx)?;
        self.leave(cx)?;
        while self.check(cx)? {}
        let mut state = self.session.served.state.lock();
        if !state
            .driver
            .as_ref()
            .is_some_and(|driver| driver.will_wake(cx.waker()))
        {
            state.driver = Some(cx.waker().clone());
        }
        state.asleep = true;
        if let Some(polling) = &mut self.polling {
            polling.look_again(cx);
        }
        // A call's task may have answered since the write above.
        if self.writer.is_empty() && state.queue.hand_over(&mut self.writer) {
            state.asleep = false;
            drop(state);
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<()> {
        loop {
            if self.writer.is_empty() && !self.session.hand_over(&mut self.writer) {
                return Ok(());
            }
            match self.writer.poll_write(&mut self.io, cx) {
                Poll::Ready(Ok(_)) if self.blocked => {
                    // It reads again, which is a sign of life.
                    self.blocked = false;
                    self.last_read = time::now();
                    self.pinged = None;
                }
                Poll::Ready(Ok(_)) => {
                    if let Some(polling) = &mut self.polling {
                        polling.wrote();
                    }
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(());
                }
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<()> {
        for _ in 0..READS {
            // Who does not read its answers gets no more of them.
            if !self.writer.is_empty() {
                return Ok(());
            }
            let mut received = None;
            let session = &mut self.session;
            if session.full {
                session.resume(time::now())?;
                self.write(cx)?;
                continue;
            }
            let read = self.reader.poll_frames(&mut self.io, cx, &mut |frame| {
                let now = *received.get_or_insert_with(time::now);
                session.frame(frame, now)
            });
            if let Some(received) = received {
                self.last_read = received;
                self.pinged = None;
                self.amid_since = None;
                if let Some(polling) = &mut self.polling {
                    polling.read(received);
                }
            }
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(Error::unavailable("the other side closed it")),
                Poll::Ready(Ok(_)) => {
                    if self.reader.is_amid() {
                        self.amid_since.get_or_insert_with(time::now);
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
            self.write(cx)?;
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Says goodbye when the port goes away; the other side closes when it has its answers.
    fn leave(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if !self.said_goodbye {
            self.session.seat.listen(cx.waker());
        }
        if !self.session.seat.is_leaving() {
            return Ok(());
        }
        if !self.said_goodbye {
            self.said_goodbye = true;
            self.session.served.write(&mut |queue| {
                write_bare(queue.tail(), kind::GO_AWAY, 0, &[]);
            });
            self.write(cx)?;
            self.session.seat.listen(cx.waker());
        }
        Ok(())
    }

    /// Keepalive and frames that do not come whole; whether to look again at once.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let limits = &self.session.limits;
        let mut next = match self.pinged {
            Some(pinged) => pinged + nanos(limits.keepalive_timeout),
            None => self.last_read + nanos(limits.keepalive),
        };
        if let Some(since) = self.amid_since {
            next = next.min(since + nanos(limits.frame));
        }
        if !self.timer.poll(next, cx) {
            return Ok(false);
        }
        let now = time::now();
        if self
            .amid_since
            .is_some_and(|since| now >= since + nanos(limits.frame))
        {
            return Err(Error::deadline_exceeded(format!(
                "a frame did not come whole within {:?}",
                limits.frame
            )));
        }
        if next <= now {
            if self.pinged.is_some() {
                return Err(Error::deadline_exceeded(format!(
                    "no sign of life for {:?}",
                    limits.keepalive_timeout
                )));
            }
            self.pinged = Some(now);
            let mut state = self.session.served.state.lock();
            write_bare(state.queue.tail(), kind::PING, 0, &[]);
            drop(state);
            self.write(cx)?;
            self.writer.shrink();
            self.reader.shrink();
            self.session.served.state.lock().queue.shrink();
        }
        Ok(true)
    }
}

impl Session {
    /// Hands the writer, which must be empty, what is queued; whether there was anything.
    fn hand_over(&mut self, writer: &mut Writer) -> bool {
        if self.own.hand_over(writer) {
            return true;
        }
        let mut state = self.served.state.lock();
        let handed = state.queue.hand_over(writer);
        if handed && !state.waiting.is_empty() {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
        handed
    }

    /// Looks at frames that were parked, now that what was queued has been written.
    fn resume(&mut self, now: Nanos) -> Result<()> {
        self.full = false;
        while !self.full
            && let Some(frame) = self.parked.pop_front()
        {
            self.frame(frame, now)?;
        }
        self.full |= !self.parked.is_empty();
        Ok(())
    }

    fn frame(&mut self, frame: Frame<'_>, now: Nanos) -> Result<()> {
        if self.full {
            self.parked.push_back(frame.keep());
            return Ok(());
        }
        let id = frame.header.id;
        match frame.header.kind {
            kind::REQUEST if !frame.cancelled => self.request(frame, now)?,
            kind::REQUEST | kind::WITHDRAWN => {
                let read = frame::read_request(frame.head()).ok_or_else(damaged)?;
                self.target(&read)?;
            }
            kind::DATA => {
                let inbox = {
                    let state = self.served.state.lock();
                    state.running.get(&id).and_then(|r| r.inbox.clone())
                };
                if let Some(inbox) = inbox {
                    inbox.push(frame.body())?;
                }
            }
            kind::END => {
                let end = match frame::read_status(frame.head()).ok_or_else(damaged)? {
                    frame::StatusRead::Fine { .. } => Ok(()),
                    frame::StatusRead::Failed(error) => Err(error),
                };
                let state = self.served.state.lock();
                if let Some(inbox) = state.running.get(&id).and_then(|r| r.inbox.as_ref()) {
                    inbox.end(end);
                }
            }
            kind::CREDIT => {
                let granted = frame.tail().try_into().map_err(|_| damaged())?;
                let state = self.served.state.lock();
                if let Some(credit) = state.running.get(&id).and_then(|r| r.credit.as_ref()) {
                    credit.grant(u32::from_le_bytes(granted));
                }
            }
            kind::CANCEL => {
                let running = self.served.state.lock().running.remove(&id);
                if let Some(running) = running {
                    running.stop();
                }
            }
            kind::PING => write_bare(self.own.tail(), kind::PONG, id, &[]),
            _ => {}
        }
        Ok(())
    }

    /// The endpoint that a request's head names.
    fn target(&mut self, read: &frame::RequestRead<'_>) -> Result<Target> {
        match (read.service, read.endpoint) {
            (Some(service), Some(endpoint)) => {
                let target = Target::new(service, endpoint);
                if let Some(number) = read.define
                    && !self.names.define(number, &target)
                {
                    return Err(Error::resource_exhausted(format!(
                        "name {number} of {} bytes is over the limit `names` of {} names of {} bytes",
                        service.len() + endpoint.len(),
                        self.limits.names,
                        super::names::LONGEST
                    )));
                }
                Ok(target)
            }
            _ => self.names.get(read.number).cloned().ok_or_else(damaged),
        }
    }

    fn request(&mut self, frame: Frame<'_>, now: Nanos) -> Result<()> {
        let header = frame.header;
        let read = frame::read_request(frame.head()).ok_or_else(damaged)?;
        let target = self.target(&read)?;
        let deadline = match read.left {
            NEVER => NEVER,
            left => now.saturating_add(left),
        };
        let context = CallContext::received(
            deadline,
            (read.attempts != 0).then_some(read.attempts),
            read.criticality,
            read.trace,
            read.metadata,
        );
        let content_type = read.content_type.unwrap_or(ContentType::Bytes);
        if frame.body_length() > self.limits.message {
            let error = super::stream::too_large(frame.body_length(), self.limits.message);
            self.refuse(header.id, &error);
            return Ok(());
        }
        if usize::from(header.head) > self.limits.head {
            let error = Error::invalid_argument(format!(
                "metadata and names take {} bytes, over the limit `head` of {}",
                header.head, self.limits.head
            ));
            self.refuse(header.id, &error);
            return Ok(());
        }
        let mut running = Running::default();
        let body = if header.flags & frame::STREAM == 0 {
            Body::from(frame.body())
        } else {
            let window = self.limits.window;
            let inbox = Inbox::new(window);
            running.inbox = Some(inbox.clone());
            Body::stream(Incoming::new(inbox, self.served.clone(), header.id, window))
        };
        if self.seat.is_refusing() {
            let error = Error::unavailable("the node is going away");
            self.refuse(header.id, &error);
            return Ok(());
        }
        if self.crowded && self.is_crowded() {
            let error = Error::resource_exhausted(format!(
                "{0} calls are at work on one connection, over the limit `calls` of {0}",
                self.limits.calls
            ));
            self.refuse(header.id, &error);
            return Ok(());
        }
        let request = Request::build(target, context, content_type, body, false);
        match self.call.begin(request, now) {
            Begun::Done(answer) if running.inbox.is_none() => self.answer(header.id, answer),
            Begun::Done(answer) => self.run_on(header.id, running, Box::pin(async { answer })),
            Begun::Running(answer) => self.run_on(header.id, running, answer),
        }
    }

    fn is_crowded(&mut self) -> bool {
        self.crowded = self.served.state.lock().running.len() >= self.limits.calls;
        self.crowded
    }

    /// Refuses a request before anything was done for it.
    fn refuse(&mut self, id: u64, error: &Error) {
        let error = error.clone().with_outcome(Outcome::Rejected);
        let _ = write_status(
            self.own.tail(),
            kind::RESPONSE,
            0,
            id,
            &Status::Failed(&error),
            0,
            u16::MAX.into(),
        );
    }

    /// Queues an answer that came in place; one that streams goes on in a task.
    fn answer(&mut self, id: u64, answer: Result<Response>) -> Result<()> {
        match answer {
            Ok(response) if response.body().is_stream() => {
                self.run_on(id, Running::default(), Box::pin(async { Ok(response) }))
            }
            answer => {
                write_answer(&mut self.own, id, &answer, &self.preface);
                self.full = self.own.length() > self.limits.queue as u64;
                Ok(())
            }
        }
    }

    /// Gives a call a task of its own.
    fn run_on(&mut self, id: u64, mut running: Running, answer: Answer) -> Result<()> {
        let credit = Credit::new(self.preface.window);
        running.credit = Some(credit.clone());
        let served = self.served.clone();
        let preface = self.preface;
        {
            let mut state = self.served.state.lock();
            if state.running.contains_key(&id) {
                return Err(Error::data_loss(format!(
                    "a request came under the id {id} of a call that is at work"
                )));
            }
            state.running.insert(id, running);
            self.crowded = state.running.len() >= self.limits.calls;
            let queued = state.queue.length() + self.own.length();
            self.full = queued > self.limits.queue as u64;
        }
        let task = tokio::spawn(async move {
            finish(&served, id, answer.await, &credit, &preface).await;
            served.state.lock().running.remove(&id);
        });
        match self.served.state.lock().running.get_mut(&id) {
            Some(running) => running.task = Some(task.abort_handle()),
            // It has ended already.
            None => drop(task),
        }
        Ok(())
    }
}

impl Running {
    fn stop(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Drop for Driver {
    /// With the connection its calls end: nobody can hear their answers.
    fn drop(&mut self) {
        let mut state = self.session.served.state.lock();
        state.gone = true;
        state.queue = Queue::default();
        let waiting = std::mem::take(&mut state.waiting);
        let running = std::mem::take(&mut state.running);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        for running in running.into_values() {
            running.stop();
            if let Some(inbox) = &running.inbox {
                inbox.end(Err(
                    Error::cancelled("the connection ended").with_outcome(Outcome::Unknown)
                ));
            }
        }
    }
}

/// Sends an answer, and its stream if it has one.
async fn finish(
    served: &Arc<Served>,
    id: u64,
    answer: Result<Response>,
    credit: &Credit,
    preface: &Preface,
) {
    let mut stream = None;
    let answer = answer.map(|mut response| {
        if response.body().is_stream() {
            stream = Some(response.body_mut().take().into_stream());
        }
        response
    });
    let Some(stream) = stream else {
        served.write(&mut |queue| write_answer(queue, id, &answer, preface));
        return;
    };
    let mut head = Ok(());
    if let Ok(response) = &answer {
        served.write(&mut |queue| {
            let status = Status::Fine {
                content_type: response.content_type(),
                metadata: response.metadata(),
                load: response.load,
            };
            head = write_status(
                queue.tail(),
                kind::RESPONSE,
                frame::STREAM,
                id,
                &status,
                0,
                preface.head as usize,
            );
        });
    }
    if let Err(error) = head {
        return served.write(&mut |queue| write_answer(queue, id, &Err(error.clone()), preface));
    }
    let end = pump(stream, &**served, credit, id, preface.message as usize).await;
    served.write(&mut |queue| frame::write_end(queue.tail(), id, end.as_ref().err()));
}

/// Queues a whole answer, or why it cannot be sent.
fn write_answer(queue: &mut Queue, id: u64, answer: &Result<Response>, preface: &Preface) {
    let most = preface.head as usize;
    let limit = preface.message as usize;
    let failed = |queue: &mut Queue, error: &Error| {
        let status = Status::Failed(error);
        if write_status(queue.tail(), kind::RESPONSE, 0, id, &status, 0, most).is_err() {
            let error = Error::internal("the error's details are too large to send");
            let status = Status::Failed(&error);
            let _ = write_status(queue.tail(), kind::RESPONSE, 0, id, &status, 0, most);
        }
    };
    let response = match answer {
        Ok(response) => response,
        Err(error) => return failed(queue, error),
    };
    let nothing = bytes::Bytes::new();
    let body = response.body().as_bytes().unwrap_or(&nothing);
    if body.len() > limit {
        let error = Error::resource_exhausted(format!(
            "the answer of {} bytes is over the caller's limit `message` of {limit}; send it as a stream",
            body.len()
        ));
        return failed(queue, &error);
    }
    let status = Status::Fine {
        content_type: response.content_type(),
        metadata: response.metadata(),
        load: response.load,
    };
    let written = write_status(
        queue.tail(),
        kind::RESPONSE,
        0,
        id,
        &status,
        body.len(),
        most,
    );
    match written {
        Ok(()) => queue.push_body(body),
        Err(error) => failed(queue, &error),
    }
}

fn damaged() -> Error {
    Error::data_loss("a frame could not be read")
}
