//! The task of a connection at the server: reads requests, starts them in place, writes answers.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::session::Session;
use crate::{
    error::{Error, Result},
    net::{buffered::ByteReservation, io::Io},
    time::{self, Nanos, Timer, nanos},
    transport::mux::{
        busy_polling::BusyPolling,
        frame::{Status, kind, write_bare, write_status},
        preface::DEFAULT_PREFACE,
        queue::Writer,
        reader::Reader,
        stream::FrameSink,
    },
};

pub(super) struct Driver {
    session: Session,
    io: Io,
    reader: Reader,
    writer: Writer,
    polling: Option<BusyPolling>,
    timer: Timer,
    last_read: Nanos,
    pinged: Option<Nanos>,
    /// When the frame that is arriving began.
    amid_since: Option<Nanos>,
    /// Whether the other side has not taken what was last written.
    blocked: bool,
    /// Counts the bytes to write meanwhile.
    queued: ByteReservation,
    said_goodbye: bool,
}

/// How long the server still reads after it has given a connection up, so that the connection is not reset
/// before the other side has read the reason.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads of one poll, before other tasks of the thread run.
const MAX_READS_PER_POLL: usize = 4;

impl Driver {
    pub(super) fn new(io: Io, first: Vec<u8>, session: Session) -> Self {
        let limits = &session.limits;
        Driver {
            // Requests sent before the client read our preface keep to the default limits.
            reader: Reader::new(
                limits
                    .max_message_size
                    .max(DEFAULT_PREFACE.message as usize)
                    + usize::from(u16::MAX),
                first,
            )
            .looking_ahead()
            .counted(session.seat.buffered().clone()),
            writer: Writer::default(),
            polling: BusyPolling::new(limits.busy_poll),
            timer: Timer::new(),
            last_read: time::now(),
            pinged: None,
            amid_since: None,
            blocked: false,
            queued: session.seat.buffered().account(),
            said_goodbye: false,
            io,
            session,
        }
    }

    /// The reason for the end.
    pub(super) async fn run(mut self) -> Error {
        let now = time::now();
        let session = &mut self.session;
        let first = self
            .reader
            .first_frames(&mut |frame| session.frame(frame, now))
            .and_then(|()| session.deliver());
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

    /// Sends the reason, as far as the other side still reads.
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
            let _ = tokio::time::timeout(LINGER_TIMEOUT, farewell).await;
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
                    // The other side reads again, which is a sign of life.
                    self.blocked = false;
                    self.queued.set(0);
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
                    let queued =
                        self.session.own.length() + self.session.served.state.lock().queue.length();
                    self.queued.set(self.writer.length() + queued as usize);
                    return Ok(());
                }
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<()> {
        for _ in 0..MAX_READS_PER_POLL {
            // A client that does not read its answers gets no more of them.
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
            session.crowded |= session.seat.buffered().is_over();
            let read = self.reader.poll_frames(&mut self.io, cx, &mut |frame| {
                let now = *received.get_or_insert_with(time::now);
                session.frame(frame, now)
            });
            if let Some(received) = received {
                session.deliver()?;
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

    /// Sends go-away when the port shuts down; the other side closes when it has its answers.
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

    /// Handles keepalive and incomplete frames. Returns whether to run again at once.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let limits = &self.session.limits;
        let mut next = match self.pinged {
            Some(pinged) => pinged + nanos(limits.keepalive_timeout),
            None => self.last_read + nanos(limits.keepalive_interval),
        };
        if let Some(since) = self.amid_since {
            next = next.min(since + nanos(limits.frame_timeout));
        }
        if !self.timer.poll(next, cx) {
            return Ok(false);
        }
        let now = time::now();
        if self
            .amid_since
            .is_some_and(|since| now >= since + nanos(limits.frame_timeout))
        {
            return Err(Error::deadline_exceeded(format!(
                "a frame did not come whole within {:?}",
                limits.frame_timeout
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

impl Drop for Driver {
    fn drop(&mut self) {
        self.session.served.end();
    }
}
