//! Whether the other side of an HTTP/2 connection is alive and keeps up.

use std::{pin::Pin, task::Context, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::Sleep;

use super::guard::Traffic;
use crate::{
    error::{Error, Result},
    net::Limits,
    time::{self, Nanos, nanos},
};

/// How often a sign of life is asked for where nothing else comes, by a client: servers of gRPC end
/// connections that ask more often than every 5 minutes.
const GRPC_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(310);

/// Timers fire by the millisecond.
const TIMER_RESOLUTION: Nanos = 1_000_000;

/// Looks from time to time whether bytes come and go, and asks for a sign of life when none do.
pub(super) struct Heartbeat {
    pings: Option<PingPong>,
    sleep: Pin<Box<Sleep>>,
    keepalive: Nanos,
    timeout: Nanos,
    frame: Duration,
    /// Whether to ask no more often than a gRPC server bears.
    sparing: bool,
    /// Bytes read when it last looked, and since when there have been no more.
    seen: (u64, Nanos),
    /// When it last asked, and how many frames had come then.
    asked: Option<(Nanos, u64)>,
    /// Whether the answer is still to come.
    waiting: bool,
    /// Since when the same part of a frame is there.
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

    /// Wakes `cx` when it is time to look again. `asks` is whether silence matters now.
    ///
    /// # Errors
    /// Why the connection is to be given up.
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

    /// Asks for a sign of life now; whether it could be asked for.
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

    /// Whether what was asked for is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// When to look again.
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

    /// Whether a server of gRPC would bear it: the first time, after frames other than the answer to the
    /// last, or after long.
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

/// Whether something has been so, at the same count, for `long`.
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
