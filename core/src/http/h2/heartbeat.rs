//! Checks that the peer of an HTTP/2 connection is alive and keeps up.

use std::{pin::Pin, task::Context, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::Sleep;

use super::guard::Traffic;
use crate::{
    error::{Error, Result},
    net::Limits,
    time::{self, Nanos, nanos},
};

/// How often a client sends a PING when nothing else arrives: gRPC servers end
/// connections that send more than one in 5 minutes.
const GRPC_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(310);

/// Timers fire by the millisecond.
const TIMER_RESOLUTION: Nanos = 1_000_000;

/// Checks from time to time whether bytes arrive and leave, and sends a PING if none do.
pub(super) struct Heartbeat {
    pings: Option<PingPong>,
    sleep: Pin<Box<Sleep>>,
    keepalive: Nanos,
    timeout: Nanos,
    frame: Duration,
    /// Whether to keep to the limit of gRPC servers.
    sparing: bool,
    /// Bytes read at the last check, and since when there have been no more.
    seen: (u64, Nanos),
    /// When the last PING was sent, and how many frames had arrived then.
    asked: Option<(Nanos, u64)>,
    /// Whether the response is still to come.
    waiting: bool,
    /// Since when the same frame is incomplete.
    amid: Option<(u64, Nanos)>,
    /// Since when the same bytes wait to be written.
    blocked: Option<(u64, Nanos)>,
}

impl Heartbeat {
    pub(super) fn new(pings: Option<PingPong>, limits: &Limits, sparing: bool) -> Self {
        Heartbeat {
            pings,
            sleep: Box::pin(tokio::time::sleep(limits.keepalive_interval)),
            keepalive: nanos(limits.keepalive_interval),
            timeout: nanos(limits.keepalive_timeout),
            frame: limits.frame_timeout,
            sparing,
            seen: (0, time::now()),
            asked: None,
            waiting: false,
            amid: None,
            blocked: None,
        }
    }

    /// Wakes `cx` when the next check is due. `asks` is whether silence matters now.
    ///
    /// # Errors
    /// Why the connection must be given up.
    pub(super) fn poll(
        &mut self,
        traffic: &Traffic,
        asks: bool,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        if self.waiting
            && let Some(pings) = &mut self.pings
            && pings.poll_pong(cx).is_ready()
        {
            self.waiting = false;
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            let next = self.look(traffic, asks, time::now())?;
            self.sleep.as_mut().reset(time::instant(next));
        }
        Ok(())
    }

    /// Sends a PING now. Returns whether that was possible.
    pub(super) fn ask(&mut self, traffic: &Traffic) -> bool {
        if self.waiting {
            return true;
        }
        let Some(pings) = &mut self.pings else {
            return false;
        };
        self.waiting = pings.send_ping(Ping::opaque()).is_ok();
        if self.waiting {
            let now = time::now();
            self.asked = Some((now, traffic.frames()));
            let next = now + self.timeout.min(nanos(self.frame));
            self.sleep.as_mut().reset(time::instant(next));
        }
        self.waiting
    }

    /// Whether the response to a PING is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// When the next check is due.
    fn look(&mut self, traffic: &Traffic, asks: bool, now: Nanos) -> Result<Nanos> {
        let frame = nanos(self.frame);
        if is_stuck(
            &mut self.amid,
            traffic.is_amid(),
            traffic.frames(),
            now,
            frame,
        ) {
            return Err(Error::deadline_exceeded(format!(
                "a frame did not come whole within {:?}",
                self.frame
            )));
        }
        if is_stuck(
            &mut self.blocked,
            traffic.is_blocked(),
            traffic.written(),
            now,
            frame,
        ) {
            return Err(Error::deadline_exceeded(format!(
                "the other side took nothing for {:?}",
                self.frame
            )));
        }
        let read = traffic.read();
        if read != self.seen.0 {
            self.seen = (read, now);
        } else if self.waiting {
            let asked = self.asked.map_or(0, |(at, _)| at);
            if now.saturating_sub(asked) >= self.timeout {
                return Err(Error::unavailable(format!(
                    "no sign of life for {:?}",
                    Duration::from_nanos(self.timeout)
                )));
            }
        } else if asks
            && now.saturating_sub(self.seen.1) + TIMER_RESOLUTION >= self.keepalive
            && self.may_ask(traffic, now)
        {
            self.ask(traffic);
        }
        let next = if self.waiting {
            self.timeout
        } else {
            self.keepalive
        };
        Ok(now + next.min(frame))
    }

    /// Whether a gRPC server allows another PING: the first one, after frames other than the response to the
    /// last, or after a long time.
    fn may_ask(&self, traffic: &Traffic, now: Nanos) -> bool {
        match self.asked {
            Some((at, frames)) if self.sparing => {
                traffic.frames() > frames + 1
                    || now.saturating_sub(at) >= nanos(GRPC_KEEPALIVE_INTERVAL)
            }
            _ => true,
        }
    }
}

/// Whether a condition has held, at the same count, for `long`.
fn is_stuck(
    since: &mut Option<(u64, Nanos)>,
    is: bool,
    count: u64,
    now: Nanos,
    long: Nanos,
) -> bool {
    match since {
        _ if !is => *since = None,
        Some((seen, at)) if *seen == count => return now.saturating_sub(*at) >= long,
        _ => *since = Some((count, now)),
    }
    false
}
