//! The state of the other side at the server, and the handling of its frames.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
};

use bytes::Bytes;

use super::shared::{ActiveCall, ConnectionState};
use crate::{
    call::{Begun, Call},
    context::Context as CallContext,
    error::{Error, Outcome, Result},
    message::{Body, ContentType, Request, Target},
    net::{Limits, buffered::MIN_COUNTED_BYTES, protocol::ConnectionGuard},
    time::{NEVER, Nanos},
    transport::mux::{
        frame::{self, kind, write_bare},
        names::{self, NameDecoder},
        preface::Preface,
        queue::{Queue, Writer},
        reader::{Disposition, Frame},
        stream::{self, Inbox, Incoming, Run},
    },
};

/// The state of one connection.
pub(super) struct Session {
    pub(super) served: Arc<ConnectionState>,
    /// What the connection's own task queues, without a lock.
    pub(super) own: Queue,
    pub(super) limits: Arc<Limits>,
    pub(super) preface: Preface,
    names: NameDecoder,
    /// The reason why every request is refused: they are meant for another server.
    refusal: Option<Error>,
    call: Arc<dyn Call>,
    pub(super) seat: ConnectionGuard,
    /// Whether the queue exceeds the limit: no request is started until it has been written.
    pub(super) full: bool,
    /// Frames of the batch that filled the queue, handled when the queue has been written.
    parked: VecDeque<Frame<'static>>,
    /// Messages of one stream, delivered together.
    run: Run,
    /// Whether the limit of calls or of bytes was reached when it was last checked, or every request is
    /// refused.
    pub(super) crowded: bool,
}

impl Session {
    pub(super) fn new(
        preface: Preface,
        refusal: Option<Error>,
        limits: Arc<Limits>,
        served: Arc<ConnectionState>,
        call: Arc<dyn Call>,
        seat: ConnectionGuard,
    ) -> Self {
        Session {
            names: NameDecoder::new(limits.max_endpoint_names),
            own: Queue::default(),
            preface,
            limits,
            served,
            call,
            seat,
            full: false,
            parked: VecDeque::new(),
            run: Run::default(),
            crowded: refusal.is_some(),
            refusal,
        }
    }

    /// Moves the queue to the writer, which must be empty. Returns whether there was anything.
    pub(super) fn hand_over(&mut self, writer: &mut Writer) -> bool {
        if self.own.hand_over(writer) {
            return true;
        }
        let mut state = self.served.state.lock();
        let handed = state.queue.hand_over(writer);
        if handed && !state.waiting.is_empty() {
            let waiting = state.take_waiting();
            self.served.full.store(false, Relaxed);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
        handed
    }

    /// Delivers the messages that a batch ended with.
    pub(super) fn deliver(&mut self) -> Result<()> {
        self.run.deliver()
    }

    /// Handles parked frames, now that the queue has been written.
    pub(super) fn resume(&mut self, now: Nanos) -> Result<()> {
        self.full = false;
        while !self.full
            && let Some(frame) = self.parked.pop_front()
        {
            self.frame(frame, now)?;
        }
        self.full |= !self.parked.is_empty();
        self.run.deliver()
    }

    pub(super) fn frame(&mut self, frame: Frame<'_>, now: Nanos) -> Result<()> {
        if frame.header.kind == kind::DATA && !self.full && frame.fate != Disposition::Refused {
            let served = &self.served;
            return self.run.add(frame, |id| {
                let state = served.state.lock();
                state.running.get(&id).and_then(|r| r.inbox.clone())
            });
        }
        self.run.deliver()?;
        if self.full {
            self.parked.push_back(frame.keep());
            return Ok(());
        }
        let id = frame.header.id;
        match frame.header.kind {
            kind::REQUEST if frame.fate == Disposition::Accepted => self.request(frame, now)?,
            kind::REQUEST | kind::WITHDRAWN => {
                let read = frame::read_request(frame.head()).ok_or_else(damaged)?;
                self.target(&read)?;
                if frame.fate == Disposition::Refused {
                    let error = self.seat.buffered().refusal();
                    self.refuse(id, &error);
                }
            }
            kind::DATA if frame.fate == Disposition::Refused => {
                let state = self.served.state.lock();
                if let Some(inbox) = state.running.get(&id).and_then(|r| r.inbox.as_ref()) {
                    let error = self.seat.buffered().refusal();
                    inbox.end(Err(error.with_outcome(Outcome::Unknown)));
                }
            }
            kind::END => {
                let end = match frame::read_status(frame.head()).ok_or_else(damaged)? {
                    frame::ParsedStatus::Fine { .. } => Ok(()),
                    frame::ParsedStatus::Failed(error) => Err(error),
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
                    running.stop("the caller gave the call up");
                }
            }
            kind::PING => self.pong(id),
            _ => {}
        }
        Ok(())
    }

    /// The endpoint named in a request's head.
    fn target(&mut self, read: &frame::ParsedRequestHead<'_>) -> Result<Target> {
        match (read.service, read.endpoint) {
            (Some(service), Some(endpoint)) => {
                let target = Target::new(service, endpoint);
                if let Some(number) = read.define
                    && !self.names.define(number, &target)
                {
                    return Err(Error::resource_exhausted(format!(
                        "name {number} of {} bytes is over the limit `max_endpoint_names` of {} names of {} bytes",
                        service.len() + endpoint.len(),
                        self.limits.max_endpoint_names,
                        names::MAX_NAMED_SIZE
                    )));
                }
                Ok(target)
            }
            _ => self.names.get(read.number).cloned().ok_or_else(damaged),
        }
    }

    #[inline(always)]
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
        if frame.body_length() > self.limits.max_message_size {
            let error = stream::too_large(frame.body_length(), self.limits.max_message_size);
            self.refuse(header.id, &error);
            return Ok(());
        }
        if usize::from(header.head) > self.limits.max_head_size {
            let error = Error::invalid_argument(format!(
                "metadata and names take {} bytes, over the limit `max_head_size` of {}",
                header.head, self.limits.max_head_size
            ));
            self.refuse(header.id, &error);
            return Ok(());
        }
        let mut running = ActiveCall::default();
        let body = if header.flags & frame::STREAM == 0 {
            Body::from(frame.body())
        } else {
            let window = self.limits.stream_window;
            let inbox = Inbox::new(window, Some(self.seat.buffered().account()));
            running.inbox = Some(inbox.clone());
            Body::stream(Incoming::new(inbox, self.served.clone(), header.id, window))
        };
        if self.seat.is_refusing() {
            let error = Error::unavailable("the node is going away");
            self.refuse(header.id, &error);
            return Ok(());
        }
        if self.crowded
            && let Some(error) = self.no_room(&target)
        {
            self.refuse(header.id, &error);
            return Ok(());
        }
        let length = body.as_bytes().map_or(0, Bytes::len);
        let request = Request::build(target, context, content_type, body, false);
        match self.call.begin(request, now) {
            Begun::Done(answer) if running.inbox.is_none() => {
                self.answer(header.id, answer, deadline)
            }
            Begun::Done(answer) => {
                self.run_on(header.id, running, Box::pin(async { answer }), deadline)
            }
            Begun::Running(answer) => {
                if length > MIN_COUNTED_BYTES {
                    let account = self.seat.buffered().account();
                    account.set(length);
                    running.account = Some(account);
                    self.crowded |= self.seat.buffered().is_over();
                }
                self.run_on(header.id, running, answer, deadline)
            }
        }
    }

    /// The reason why no request can be started now. Requests for health are answered anyway.
    fn no_room(&mut self, target: &Target) -> Option<Error> {
        if let Some(error) = &self.refusal {
            return Some(error.clone());
        }
        let running = self.served.state.lock().running.len();
        let over = self.seat.buffered().over();
        self.crowded = running >= self.limits.max_concurrent_calls || over.is_some();
        if running < self.limits.max_concurrent_calls {
            return over.filter(|_| !target.endpoint().starts_with("Debug."));
        }
        Some(Error::resource_exhausted(format!(
            "{0} calls are at work on one connection, over the limit `max_concurrent_calls` of {0}",
            self.limits.max_concurrent_calls
        )))
    }

    /// Answers a PING; a client that means another server receives an error instead.
    fn pong(&mut self, id: u64) {
        let Some(error) = &self.refusal else {
            return write_bare(self.own.tail(), kind::PONG, id, &[]);
        };
        let status = frame::Status::Failed(error);
        let most = u16::MAX.into();
        let _ = frame::write_status(self.own.tail(), kind::GO_AWAY, 0, 0, &status, 0, most);
    }
}

fn damaged() -> Error {
    Error::data_loss("a frame could not be read")
}
