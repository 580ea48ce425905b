//! What is known of a node from its calls, and the expected cost of another call.

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

/// The latency of a node without history, if there is no other node to compare it with.
const UNKNOWN: f64 = 1e6;
/// The cost of a first failure; each further consecutive one doubles it.
const SHUN: Nanos = 50_000_000;
/// The largest cost of failures; linkerd's load biaser has this number for each.
const MAX_PENALTY: Nanos = 5_000_000_000;
/// The longest pushback that is honoured; linkerd's.
const MAX_PUSHBACK: Nanos = 300_000_000_000;
/// How long a node that is new or has recovered gets less than its share.
const WARM_UP: Nanos = 2_000_000_000;
/// How long a server's reported load is valid.
const REPORT: Nanos = 3_000_000_000;

/// One call in [`Load::calls`]: one begun, one in flight.
const ONE: u64 = 1 << 32 | 1;

/// The load of a node, from its calls: latency, calls in flight, health. All atomics, no lock.
///
/// Times are nanoseconds of this crate's clock, as in [`Snapshot::now`](super::Snapshot::now).
/// Updates that race may lose a sample of latency, but never a call in flight or a state of health.
#[derive(Debug)]
pub struct Load {
    id: u64,
    /// Calls begun in the upper half (wraps), calls in flight in the lower half: one addition counts both.
    calls: AtomicU64,
    /// When the node last answered, or when its calls in flight rose from zero.
    progress: AtomicU64,
    latency: Latency,
    /// Until when the node costs at least the time left of it.
    shunned: AtomicU64,
    /// Since when the node gets calls, this time.
    since: AtomicU64,
    /// Thousandths of the server's concurrency limit in use, as it reported.
    reported: AtomicU32,
    health: Health,
    fleet: Arc<Fleet>,
}

impl Load {
    /// Creates the load of a node without history that gets calls from `now`.
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

    /// Returns its number, unique among all nodes of the service in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the calls that have begun and not ended.
    pub fn in_flight(&self) -> u32 {
        self.calls.load(Ordering::Relaxed) as u32
    }

    /// Returns the peak-EWMA of the latency at the last call; `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        let latency = self.latency.last();
        (latency > 0.0).then(|| Duration::from_nanos(latency as u64))
    }

    /// Records the beginning of a call. Exactly one [`Load::end`] follows.
    pub fn begin(&self, now: u64) {
        if self.calls.fetch_add(ONE, Ordering::Relaxed) as u32 == 0 {
            self.progress.store(now, Ordering::Relaxed);
        }
    }

    /// Records the end of a call that began at `started`. If this ejected the node, returns until when: the
    /// caller then has the node probed (see [`Load::wants_probe`]).
    pub fn end(&self, now: u64, started: u64, verdict: Verdict) -> Option<u64> {
        let calls = self.calls.fetch_sub(1, Ordering::Relaxed);
        let took = now.saturating_sub(started) as f64;
        // A call from before the node's recovery tells nothing of the node now.
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

    /// Records the end of a call that was neither counted by [`Load::begin`] nor timed.
    pub(super) fn mark(&self, now: Nanos, verdict: Verdict) {
        let calls = self.calls.fetch_add(1 << 32, Ordering::Relaxed);
        let ended = ((calls >> 32) as u32).wrapping_sub(calls as u32);
        self.judge(now, now, ended.wrapping_add(1), verdict);
    }

    /// Judges the node's health by the end of a call, the `ended`th of its calls.
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
                let after = retry_after.unwrap_or(SHUN).min(MAX_PUSHBACK);
                self.shun(now, after);
                None
            }
            Verdict::Failed if started < self.since.load(Ordering::Relaxed) => None,
            Verdict::Failed => {
                let until = self.health.failed(now, started, ended, self.fleet.rng());
                let doublings = self.health.streak().saturating_sub(1).min(16);
                self.shun(now, (SHUN << doublings).min(MAX_PENALTY));
                if until.is_some() {
                    self.fleet.changed();
                }
                until
            }
            Verdict::WrongServer if started < self.since.load(Ordering::Relaxed) => None,
            Verdict::WrongServer => {
                let until = self.health.replaced(now, started, self.fleet.rng());
                // Also if the node was ejected already: it is no fallback any more.
                self.fleet.changed();
                until
            }
            Verdict::Cancelled => None,
        }
    }

    /// Returns the expected cost of another call, in nanoseconds; only to be compared with other nodes' costs.
    ///
    /// Latency × (calls in flight + 1), as in Finagle's `PeakEwma`, where the latency is the greatest of
    /// - the peak-EWMA, decayed since the last answer, and forgotten after
    ///   three seconds without a call;
    /// - the time since the node last answered, while calls are in flight: a hanging node is
    ///   avoided before any of its calls returns;
    /// - the time left of a penalty, after failures or a pushback;
    ///
    /// and more for a server that reports load, and for a node that has just started.
    pub fn cost(&self, now: u64) -> f64 {
        let latency = self.decayed(now);
        self.cost_with(now, if latency > 0.0 { latency } else { UNKNOWN }, 1.0)
    }

    /// The cost for a latency; each call in flight weighs `scale`.
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
            // Waiting time grows as 1 / (1 − load) does.
            cost *= 1000.0 / f64::from(1000 - reported.min(900));
        }
        let age = now.saturating_sub(self.since.load(Ordering::Relaxed));
        if age < WARM_UP {
            // Envoy's slow start: a tenth of the share at first, all of it at the end.
            cost *= WARM_UP as f64 / age.max(WARM_UP / 10) as f64;
        }
        cost
    }

    /// The latency now; 0 without history. A node without a recent call is tried again, by one
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

    /// linkerd's load biaser, but as a time that runs out: fast failures attract no traffic, and one
    /// failure among many answers costs 50 ms of preference rather than a minute's decay.
    fn shun(&self, now: Nanos, length: Nanos) {
        self.shunned
            .fetch_max(now.saturating_add(length), Ordering::Relaxed);
    }

    /// Whether the node gets calls: it is neither ejected nor being probed.
    pub fn is_alive(&self) -> bool {
        self.health.is_alive()
    }

    /// Whether another server answered at the address, and not this node since.
    pub(super) fn is_replaced(&self) -> bool {
        self.health.is_replaced()
    }

    /// Returns until when the node is ejected, if it is.
    pub fn ejected_until(&self) -> Option<u64> {
        self.health.until()
    }

    /// Returns whether the caller must probe the node now: `true` for one caller alone, once the
    /// ejection has ended. That caller reports to [`Load::probed`]; if it does not, another may after 10 s.
    pub fn wants_probe(&self, now: u64) -> bool {
        !self.health.is_alive() && self.health.wants_probe(now)
    }

    /// Records the result of a probe.
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

    /// Starts anew: what was learned before the node failed is no longer valid.
    fn returned(&self, now: Nanos) {
        self.latency.reset(now);
        self.shunned.store(0, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.fleet.changed();
    }
}
