//! Ejection: a node that fails takes no calls until it has answered a probe.
//!
//! The states are Finagle's (`liveness/FailureAccrualFactory`): alive → ejected → probing → alive or
//! ejected again, for longer. A healthy node pays one relaxed load a pick and none of the counting:
//! calls are counted by [`Load`](super::Load) anyway, and only failures look at the counts.

use crate::{
    random::Rng,
    sync::{AtomicU32, AtomicU64, Ordering},
    time::Nanos,
};

/// Failures in a row that eject; Finagle's and Envoy's number.
const STREAK: u32 = 5;
/// Over how long the share of failures is judged; Finagle's.
const WINDOW: Nanos = 30_000_000_000;
/// Calls of a window below which its share says nothing.
const SAMPLES: u32 = 20;
/// The share that ejects: more than one failure in this many calls. Finagle ejects below 0.8.
const ONE_IN: u32 = 5;
/// The first ejection lasts once to twice this, the next ones twice as long each.
const SHORTEST: Nanos = 1_000_000_000;
/// No ejection lasts longer.
const LONGEST: Nanos = 30_000_000_000;
/// Each of these without an ejection takes one doubling back.
const CLEAN: Nanos = 30_000_000_000;
/// After this a probe that never reported may be made again, by whoever asks.
const PROBE: Nanos = 10_000_000_000;

const ALIVE: u64 = 0;
const EJECTED: u64 = 1;
const PROBING: u64 = 2;
/// The state's low bits name the phase; the rest is the time until which it lasts.
const PHASE: u64 = 3;

/// Whether a node is trusted, and what is needed to judge it.
#[derive(Debug)]
pub(super) struct Health {
    state: AtomicU64,
    /// Failures since the last success.
    streak: AtomicU32,
    /// Ejections so far, less what clean time took back.
    level: AtomicU32,
    ejected_at: AtomicU64,
    returned_at: AtomicU64,
    /// The window over which the share of failures is judged; it opens with a failure.
    opened_at: AtomicU64,
    calls_at_opening: AtomicU32,
    failures: AtomicU32,
    /// 1 while another server answers at the node's address.
    replaced: AtomicU32,
}

impl Health {
    pub(super) fn new() -> Self {
        Health {
            state: AtomicU64::new(ALIVE),
            streak: AtomicU32::new(0),
            level: AtomicU32::new(0),
            ejected_at: AtomicU64::new(0),
            returned_at: AtomicU64::new(0),
            opened_at: AtomicU64::new(0),
            calls_at_opening: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            replaced: AtomicU32::new(0),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.state.load(Ordering::Relaxed) == ALIVE
    }

    pub(super) fn streak(&self) -> u32 {
        self.streak.load(Ordering::Relaxed)
    }

    /// Notes an answer to a call begun at `started`; whether it brought the node back, as one can
    /// that was sent although the node was ejected. An answer from before the ejection cannot.
    pub(super) fn succeeded(&self, now: Nanos, started: Nanos) -> bool {
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        let state = self.state.load(Ordering::Acquire);
        if state == ALIVE || started <= self.ejected_at.load(Ordering::Relaxed) {
            return false;
        }
        self.come_back(state, now)
    }

    /// Notes a failure of a call begun at `started`, the `calls`th of the node; until when it
    /// ejected the node, if it did. Failures of calls from before the node came back do not count.
    pub(super) fn failed(
        &self,
        now: Nanos,
        started: Nanos,
        calls: u32,
        rng: &Rng,
    ) -> Option<Nanos> {
        if started < self.returned_at.load(Ordering::Relaxed) {
            return None;
        }
        let streak = self
            .streak
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let often = self.fails_often(now, calls);
        if streak < STREAK && !often {
            return None;
        }
        self.eject(now, rng)
    }

    /// Notes that another server answered a call begun at `started`: one such answer ejects. Until when it did, if the
    /// node was not ejected already.
    pub(super) fn replaced(&self, now: Nanos, started: Nanos, rng: &Rng) -> Option<Nanos> {
        if started < self.returned_at.load(Ordering::Relaxed) {
            return None;
        }
        self.replaced.store(1, Ordering::Relaxed);
        self.eject(now, rng)
    }

    /// Whether another server answers at the node's address, as far as is known.
    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed) != 0
    }

    /// Whether more than one call in five of this window failed. Races only misplace a sample.
    fn fails_often(&self, now: Nanos, calls: u32) -> bool {
        let opened_at = self.opened_at.load(Ordering::Relaxed);
        if opened_at == 0 || now.saturating_sub(opened_at) > WINDOW {
            self.opened_at.store(now.max(1), Ordering::Relaxed);
            self.calls_at_opening
                .store(calls.wrapping_sub(1), Ordering::Relaxed);
            self.failures.store(1, Ordering::Relaxed);
            return false;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let calls = calls.wrapping_sub(self.calls_at_opening.load(Ordering::Relaxed));
        calls >= SAMPLES && failures.saturating_mul(ONE_IN) > calls
    }

    fn eject(&self, now: Nanos, rng: &Rng) -> Option<Nanos> {
        if self.state.load(Ordering::Acquire) != ALIVE {
            return None;
        }
        let clean = now.saturating_sub(self.returned_at.load(Ordering::Relaxed)) / CLEAN;
        let level = self
            .level
            .load(Ordering::Relaxed)
            .saturating_sub(u32::try_from(clean).unwrap_or(u32::MAX))
            .saturating_add(1);
        // Before the state, so that who sees the state knows which calls are older.
        self.ejected_at.store(now, Ordering::Relaxed);
        let until = now.saturating_add(length(level, rng));
        self.change(ALIVE, EJECTED, until).then(|| {
            self.level.store(level, Ordering::Relaxed);
            until
        })
    }

    /// Whether the caller, and it alone, shall probe the node now.
    pub(super) fn wants_probe(&self, now: Nanos) -> bool {
        let state = self.state.load(Ordering::Acquire);
        state != ALIVE
            && now >= state & !PHASE
            && self.change(state, PROBING, now.saturating_add(PROBE))
    }

    /// Notes how a probe went; a node that failed it is out for longer.
    pub(super) fn probed(&self, now: Nanos, ok: bool, rng: &Rng) -> ProbeResult {
        let state = self.state.load(Ordering::Acquire);
        if state & PHASE != PROBING {
            return ProbeResult::Late;
        }
        if ok {
            return match self.come_back(state, now) {
                true => ProbeResult::Returned,
                false => ProbeResult::Late,
            };
        }
        let level = self.level.load(Ordering::Relaxed).saturating_add(1);
        let until = now.saturating_add(length(level, rng));
        if !self.change(state, EJECTED, until) {
            return ProbeResult::Late;
        }
        self.level.store(level, Ordering::Relaxed);
        ProbeResult::Ejected(until)
    }

    /// Until when the node is ejected or being probed.
    pub(super) fn until(&self) -> Option<Nanos> {
        let state = self.state.load(Ordering::Acquire);
        (state != ALIVE).then_some(state & !PHASE)
    }

    /// Forgets every failure; whether that brought the node back.
    pub(super) fn reset(&self, now: Nanos) -> bool {
        self.level.store(0, Ordering::Relaxed);
        self.come_back(self.state.load(Ordering::Acquire), now)
    }

    /// From `state` to alive, unless another thread was first.
    fn come_back(&self, state: u64, now: Nanos) -> bool {
        // Before the state: a failure that sees the node alive must see which calls are older.
        self.returned_at.store(now, Ordering::Relaxed);
        self.streak.store(0, Ordering::Relaxed);
        self.opened_at.store(0, Ordering::Relaxed);
        self.replaced.store(0, Ordering::Relaxed);
        state != ALIVE && self.change(state, ALIVE, 0)
    }

    fn change(&self, from: u64, phase: u64, until: Nanos) -> bool {
        let to = until & !PHASE | phase;
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeResult {
    /// The node takes calls again.
    Returned,
    /// It stays out until this time, in nanoseconds of this crate's clock; then it is probed again.
    Ejected(u64),
    /// The node's state was decided by another before this probe ended.
    Late,
}

/// Equal jitter: `h + U[0, h)`, `h` doubling with the level; Finagle's `Backoff.equalJittered`.
fn length(level: u32, rng: &Rng) -> Nanos {
    let half = SHORTEST
        .saturating_mul(1 << level.saturating_sub(1).min(16))
        .min(LONGEST);
    (half + rng.number() % half).min(LONGEST)
}
