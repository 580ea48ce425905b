//! The task of a client's connection: connects, writes what has gathered, reads answers, minds time.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    busy_polling::BusyPolling,
    calls::{Batch, Calls, State, Wakers},
    frame::{kind, write_bare},
    preface::{Parsed, PeerIdentity, Preface},
    queue::Writer,
    reader::Reader,
};
use crate::{
    error::{Error, Outcome, Recovery, Result},
    net::{
        io::{Io, SharedNetwork},
        pool::PoolPermit,
        unconnected::unconnected,
    },
    time::{self, NEVER, Nanos, Timer, nanos},
    transport::addressee::Addressee,
};

/// Connects to `address` and serves the calls until the connection ends.
pub(super) async fn run(
    calls: Arc<Calls>,
    place: PoolPermit,
    network: SharedNetwork,
    address: Arc<str>,
    addressee: Arc<Addressee>,
) {
    let _place = place;
    // Also when the runtime drops this task: nobody may wait for an answer that cannot come.
    let _end = CloseOnDrop(&calls, &address);
    let error = match connect(&calls, &network, &address, &addressee).await {
        Ok((io, first)) => Driver::new(&calls, io, first).run().await,
        Err(error) => error,
    };
    calls.gone(&error.context(format_args!("node at `{address}`")));
}

struct CloseOnDrop<'a>(&'a Calls, &'a str);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        let address = self.1;
        self.0.gone(&Error::unavailable(format!(
            "node at `{address}`: the runtime that held the connection ended"
        )));
    }
}

/// The connection, introduced on both sides, and what came behind the other's preface.
async fn connect(
    calls: &Arc<Calls>,
    network: &SharedNetwork,
    address: &str,
    addressee: &Addressee,
) -> Result<(Io, Vec<u8>)> {
    let limits = calls.limits();
    let mut opening = std::pin::pin!(tokio::time::timeout(limits.connect_timeout, async {
        let mut io = network
            .connect(address)
            .await
            .map_err(|error| unconnected("it could not be connected to".into(), error))?;
        let first = introduce(&mut io, calls, addressee).await?;
        Ok((io, first))
    }));
    let mut timer = Timer::new();
    poll_fn(|cx| {
        mind_calls(calls, &mut timer, NEVER, cx);
        opening.as_mut().poll(cx)
    })
    .await
    .unwrap_or_else(|_| {
        Err(Error::unavailable(format!(
            "it did not introduce itself within {:?}",
            limits.connect_timeout
        )))
    })
}

async fn introduce(io: &mut Io, calls: &Calls, addressee: &Addressee) -> Result<Vec<u8>> {
    let lost = |error| unconnected("the connection broke".into(), error);
    let mut bytes = Vec::with_capacity(128);
    let said = PeerIdentity::of_client(addressee);
    Preface::of(calls.limits()).write(&said, &mut bytes);
    io.write_all(&bytes).await.map_err(lost)?;
    bytes.clear();
    loop {
        if io.read_buf(&mut bytes).await.map_err(lost)? == 0 {
            return Err(Error::unavailable(
                "it closed the connection at once; perhaps it takes TLS only (see `--tls-always`)",
            )
            .with_recovery(Recovery::Unlikely));
        }
        if let Parsed::Complete(preface, names, length) = Preface::read(&bytes)? {
            preface.version()?;
            addressee.check(Some(&names.identity).filter(|there| !there.is_empty()))?;
            let waiting = calls.lock().introduced(&preface, calls.limits());
            waiting.into_iter().for_each(Waker::wake);
            bytes.drain(..length);
            return Ok(bytes);
        }
    }
}

/// Ends the waits that are over and sleeps until the next, or `other` if that is sooner; whether
/// `other` has come.
fn mind_calls(calls: &Calls, timer: &mut Timer, other: Nanos, cx: &mut Context<'_>) -> bool {
    loop {
        let mut state = calls.lock();
        state.sleep(cx);
        let nearest = state.nearest.min(other);
        drop(state);
        if !timer.poll(nearest, cx) {
            return false;
        }
        let now = time::now();
        let mut wakers = Wakers::new();
        calls.lock().sweep(now, &mut wakers);
        wakers.into_iter().for_each(|waker| waker.wake());
        if other <= now {
            return true;
        }
    }
}

struct Driver<'a> {
    calls: &'a Arc<Calls>,
    io: Io,
    reader: Reader,
    writer: Writer,
    timer: Timer,
    /// Kept for its room.
    batch: Batch,
    polling: Option<BusyPolling>,
    last_read: Nanos,
    /// When a sign of life was asked for.
    pinged: Option<Nanos>,
    /// Calls begun when none was under way, and since when there have been no more.
    quiet: Option<(u64, Nanos)>,
}

/// Reads of one poll before others on the thread have their turn.
const MAX_READS_PER_POLL: usize = 8;

impl<'a> Driver<'a> {
    fn new(calls: &'a Arc<Calls>, io: Io, first: Vec<u8>) -> Self {
        let limits = calls.limits();
        Driver {
            calls,
            io,
            reader: Reader::new(limits.max_message_size + usize::from(u16::MAX), first),
            writer: Writer::default(),
            timer: Timer::new(),
            batch: Batch::default(),
            polling: BusyPolling::new(limits.busy_poll),
            last_read: time::now(),
            pinged: None,
            quiet: None,
        }
    }

    /// Why it ended.
    async fn run(mut self) -> Error {
        let (calls, now) = (self.calls, self.last_read);
        let mut batch = Batch::default();
        let first = self
            .reader
            .first_frames(&mut |frame| calls.lock().frame(calls, frame, now, &mut batch));
        let finished = batch.finish();
        if let Err(error) = first.and(finished) {
            return error;
        }
        poll_fn(|cx| match self.poll(cx) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        let read = self.read(cx, &mut batch);
        let finished = batch.finish();
        self.batch = batch;
        read.and(finished)?;
        self.write(cx)?;
        loop {
            let check = self.check(cx)?;
            if !mind_calls(self.calls, &mut self.timer, check, cx) {
                break;
            }
        }
        // What the sweep or a caller queued meanwhile.
        self.write(cx)?;
        if self.writer.is_empty() && self.calls.lock().is_done() {
            return Err(Error::unavailable(
                "the connection was closed as no longer needed",
            ));
        }
        if let Some(polling) = &mut self.polling
            && self.calls.lock().has_few()
        {
            polling.look_again(cx);
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Result<()> {
        for _ in 0..MAX_READS_PER_POLL {
            let mut locked: Option<(Nanos, parking_lot::MutexGuard<'_, State>)> = None;
            let calls = self.calls;
            let read = self.reader.poll_frames(&mut self.io, cx, &mut |frame| {
                let (received, state) = locked.get_or_insert_with(|| (time::now(), calls.lock()));
                state.frame(calls, frame, *received, batch)
            });
            if let Some((received, state)) = locked {
                drop(state);
                self.last_read = received;
                self.pinged = None;
                if let Some(polling) = &mut self.polling {
                    polling.read(received);
                }
            }
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => {
                    return Err(Error::unavailable("it closed the connection"));
                }
                Poll::Ready(Ok(_)) if self.reader.is_amid() => {
                    // Part of a large frame is a sign of life too.
                    self.last_read = time::now();
                    self.pinged = None;
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<()> {
        loop {
            if self.writer.is_empty() && !self.calls.lock().hand_over(&mut self.writer) {
                return Ok(());
            }
            match self.writer.poll_write(&mut self.io, cx) {
                Poll::Ready(Ok(written)) => {
                    self.calls.flushed(written);
                    if let Some(polling) = &mut self.polling {
                        polling.wrote();
                    }
                }
                Poll::Ready(Err(error)) => {
                    return Err(Error::unavailable("the connection broke").with_source(error));
                }
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Keepalive and idleness; when to look again.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<Nanos> {
        let limits = self.calls.limits();
        // The server asks first; this is for one that has silently gone.
        let silence = nanos(limits.keepalive_interval) * 3 / 2;
        let mut next = match self.pinged {
            Some(pinged) => pinged + nanos(limits.keepalive_timeout),
            None => self.last_read + silence,
        };
        if self.timer.armed != NEVER && next > self.timer.armed {
            // The timer fires before that in any case; no need to read the clock.
            return Ok(next);
        }
        let now = time::now();
        if next <= now {
            if self.pinged.is_some() {
                return Err(Error::unavailable(format!(
                    "no sign of life for {:?}",
                    limits.keepalive_timeout
                ))
                .with_outcome(Outcome::Unknown));
            }
            self.pinged = Some(now);
            write_bare(self.calls.lock().queue.tail(), kind::PING, 0, &[]);
            self.write(cx)?;
            next = now + nanos(limits.keepalive_timeout);
        }
        let mut state = self.calls.lock();
        let begun = state.begun;
        if !state.is_idle() {
            self.quiet = None;
        } else if let Some((before, since)) = self.quiet
            && before == begun
        {
            let over = since.saturating_add(nanos(limits.idle_timeout));
            if now >= over {
                state.go_away();
            } else {
                next = next.min(over);
            }
            state.queue.shrink();
            drop(state);
            self.writer.shrink();
            self.reader.shrink();
        } else {
            self.quiet = Some((begun, now));
        }
        Ok(next)
    }
}
