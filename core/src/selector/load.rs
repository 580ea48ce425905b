//! What is known of a node from its calls, and what it is likely to cost to send it another.

use std::{sync::Arc, time::Duration};

use super::{
    fleet::Fleet,
    health::{Health, ProbeResult},
    latency::{FORGET, Latency},
    verdict::Verdict,
};
use crate::{
    sync::{AtomicU32, AtomicU64, Ordering},
    time::Nanos,
};

/// The latency of a node without history where there is no other to compare it with.
const UNKNOWN: f64 = 1e6;
/// What a first failure costs; each further one in a row doubles it.
const SHUN: Nanos = 50_000_000;
/// What failures cost at most; linkerd's load biaser has this number for each.
const SHUN_LONGEST: Nanos = 5_000_000_000;
/// The longest pushback that is believed; linkerd's.
const PUSHBACK_LONGEST: Nanos = 300_000_000_000;
/// How long a node that is new or came back is held below its share.
const WARM_UP: Nanos = 2_000_000_000;
/// How long the load that a server reported is believed.
const REPORT: Nanos = 3_000_000_000;

/// One call more, in [`Load::calls`]: one begun, one in flight.
const ONE: u64 = 1 << 32 | 1;

/// What is known of a node from its calls: latency, calls in flight, health. All atomics, no lock.
///
/// Times are nanoseconds of this crate's clock, as in [`Snapshot::now`](super::Snapshot::now).
/// Updates that race may lose one sample of latency, never a call in flight or a state of health.
#[derive(Debug)]
pub struct Load {
    id: u64,
    /// Calls begun in the upper half (wraps), calls in flight in the lower: one addition counts both.
    calls: AtomicU64,
    /// When the node last answered, or when its calls in flight rose from none.
    progress: AtomicU64,
    latency: Latency,
    /// Until when the node is held to cost at least the time that is left of it.
    shunned: AtomicU64,
    /// Since when the node takes calls, this time.
    since: AtomicU64,
    /// Thousandths of its concurrency limit that the server said it uses.
    reported: AtomicU32,
    health: Health,
    fleet: Arc<Fleet>,
}

impl Load {
    /// A node without history that takes calls from `now`.
    pub fn new(fleet: &Arc<Fleet>, now: u64) -> Self {
        Load {
            id: fleet.number(),
            calls: AtomicU64::new(0),
            progress: AtomicU64::new(now),
            latency: Latency::new(now),
            shunned: AtomicU64::new(0),
            since: AtomicU64::new(now),
            reported: AtomicU32::new(0),
            health: Health::new(),
            fleet: fleet.clone(),
        }
    }

    /// Its number, unique among the nodes a service ever had in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Calls that have begun and not ended.
    pub fn in_flight(&self) -> u32 {
        self.calls.load(Ordering::Relaxed) as u32
    }

    /// Peak-EWMA of its latency as of the last call; `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        let latency = self.latency.last();
        (latency > 0.0).then(|| Duration::from_nanos(latency as u64))
    }

    /// Notes that a call begins. Exactly one [`Load::end`] follows.
    pub fn begin(&self, now: u64) {
        if self.calls.fetch_add(ONE, Ordering::Relaxed) as u32 == 0 {
            self.progress.store(now, Ordering::Relaxed);
        }
    }

    /// Notes how a call that began at `started` ended. When this ejected the node, until when: the
    /// caller then sees to it that the node is probed (see [`Load::wants_probe`]).
    pub fn end(&self, now: u64, started: u64, verdict: Verdict) -> Option<u64> {
        let calls = self.calls.fetch_sub(1, Ordering::Relaxed);
        let took = now.saturating_sub(started) as f64;
        // A call from before the node came back says how it was then.
        if started >= self.since.load(Ordering::Relaxed) {
            match verdict {
                Verdict::Answered { server_load } => {
                    self.latency.observe(now, took);
                    self.report(server_load);
                }
                Verdict::Failed | Verdict::Cancelled => self.latency.observe_at_least(now, took),
                Verdict::Overloaded { .. } | Verdict::WrongServer => {}
            }
        }
        let ended = ((calls >> 32) as u32).wrapping_sub((calls as u32).wrapping_sub(1));
        self.judge(now, started, ended, verdict)
    }

    /// Notes how a call ended that was not counted by [`Load::begin`], nor timed.
    pub(super) fn mark(&self, now: Nanos, verdict: Verdict) {
        let calls = self.calls.fetch_add(1 << 32, Ordering::Relaxed);
        let ended = ((calls >> 32) as u32).wrapping_sub(calls as u32);
        self.judge(now, now, ended.wrapping_add(1), verdict);
    }

    /// What a call's end says of the node's health, the `ended`th of its calls.
    fn judge(&self, now: Nanos, started: Nanos, ended: u32, verdict: Verdict) -> Option<Nanos> {
        match verdict {
            Verdict::Answered { .. } => {
                self.progress.store(now, Ordering::Relaxed);
                if self.health.succeeded(now, started) {
                    self.returned(now);
                }
                None
            }
            Verdict::Overloaded { retry_after } => {
                self.progress.store(now, Ordering::Relaxed);
                let after = retry_after.unwrap_or(SHUN).min(PUSHBACK_LONGEST);
                self.shun(now, after);
                None
            }
            Verdict::Failed if started < self.since.load(Ordering::Relaxed) => None,
            Verdict::Failed => {
                let until = self.health.failed(now, started, ended, self.fleet.rng());
                let doublings = self.health.streak().saturating_sub(1).min(16);
                self.shun(now, (SHUN << doublings).min(SHUN_LONGEST));
                if until.is_some() {
                    self.fleet.changed();
                }
                until
            }
            Verdict::WrongServer if started < self.since.load(Ordering::Relaxed) => None,
            Verdict::WrongServer => {
                let until = self.health.replaced(now, started, self.fleet.rng());
                // Also of a node that was ejected already: it is no longer one to fall back on.
                self.fleet.changed();
                until
            }
            Verdict::Cancelled => None,
        }
    }

    /// What another call would likely cost, in nanoseconds; to be compared with other nodes' only.
    ///
    /// Latency × (calls in flight + 1), as in Finagle's `PeakEwma`, where latency is the greatest of
    /// - the peak-EWMA, decayed as if the node had answered in no time since, and forgotten after
    ///   three seconds without a call;
    /// - the time since the node last answered, while calls are in flight: a node that hangs is
    ///   avoided before any of its calls returns;
    /// - what is left of the time it is shunned for, after failures or a pushback;
    ///
    /// and more than that for a server that reports load, and for a node that has just begun.
    pub fn cost(&self, now: u64) -> f64 {
        let latency = self.decayed(now);
        self.cost_with(now, if latency > 0.0 { latency } else { UNKNOWN }, 1.0)
    }

    /// The cost given its latency, calls in flight weighing `scale` each.
    pub(super) fn cost_with(&self, now: Nanos, latency: f64, scale: f64) -> f64 {
        let calls = self.in_flight();
        let mut latency = latency;
        if calls > 0 {
            let age = now.saturating_sub(self.progress.load(Ordering::Relaxed));
            latency = latency.max(age as f64);
        }
        let shunned = self.shunned.load(Ordering::Relaxed);
        if shunned > now {
            latency = latency.max((shunned - now) as f64);
        }
        let mut cost = latency * (f64::from(calls) * scale + 1.0);
        let reported = self.reported.load(Ordering::Relaxed);
        if reported != 0 && self.latency.age(now) < REPORT {
            // Waiting grows as 1 / (1 − load) does.
            cost *= 1000.0 / f64::from(1000 - reported.min(900));
        }
        let age = now.saturating_sub(self.since.load(Ordering::Relaxed));
        if age < WARM_UP {
            // Envoy's slow start: a tenth of its share at first, all of it at the end.
            cost *= WARM_UP as f64 / age.max(WARM_UP / 10) as f64;
        }
        cost
    }

    /// Its latency as of now; 0 without history. One that had no call for long is tried again, by one
    /// call at a time.
    pub(super) fn decayed(&self, now: Nanos) -> f64 {
        if self.latency.age(now) >= FORGET && self.in_flight() == 0 {
            return 0.0;
        }
        self.latency.decayed(now)
    }

    fn report(&self, server_load: u16) {
        let load = u32::from(server_load);
        if self.reported.load(Ordering::Relaxed) != load {
            self.reported.store(load, Ordering::Relaxed);
        }
    }

    /// linkerd's load biaser, but as a time that runs out: fast failures draw no traffic, and one
    /// failure among many answers costs 50 ms of preference rather than a minute's decay.
    fn shun(&self, now: Nanos, length: Nanos) {
        self.shunned
            .fetch_max(now.saturating_add(length), Ordering::Relaxed);
    }

    /// Whether it takes calls: not ejected, not on probation.
    pub fn is_alive(&self) -> bool {
        self.health.is_alive()
    }

    /// Whether another server was found at its address, and not it itself since.
    pub(super) fn is_replaced(&self) -> bool {
        self.health.is_replaced()
    }

    /// Until when it is ejected, if it is.
    pub fn ejected_until(&self) -> Option<u64> {
        self.health.until()
    }

    /// Whether the caller shall probe the node now; `true` for one caller alone, once the time of an
    /// ejection is over. That caller reports to [`Load::probed`]; if it does not, another may after 10 s.
    pub fn wants_probe(&self, now: u64) -> bool {
        !self.health.is_alive() && self.health.wants_probe(now)
    }

    /// Notes how a probe went.
    pub fn probed(&self, now: u64, ok: bool) -> ProbeResult {
        let probed = self.health.probed(now, ok, self.fleet.rng());
        if probed == ProbeResult::Returned {
            self.returned(now);
        }
        probed
    }

    /// Forgets every failure.
    pub fn reset(&self, now: u64) {
        self.shunned.store(0, Ordering::Relaxed);
        if self.health.reset(now) {
            self.returned(now);
        }
    }

    /// Begins anew: what was learned before the node failed is no longer true.
    fn returned(&self, now: Nanos) {
        self.latency.reset(now);
        self.shunned.store(0, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.fleet.changed();
    }
}
