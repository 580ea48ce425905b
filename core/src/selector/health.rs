//! Ejection: a failing node gets no calls until it has answered a probe.
//!
//! The states are Finagle's (`liveness/FailureAccrualFactory`): alive → ejected → probing → alive or
//! ejected again, for longer. A healthy node costs one relaxed load a pick and no counting:
//! calls are counted by [`Load`](super::Load) anyway, and only failures use the counts.

use crate::{
    random::Rng,
    sync::{AtomicU32, AtomicU64, Ordering},
    time::Nanos,
};

/// Consecutive failures that eject a node; the number of Finagle and Envoy.
const STREAK: u32 = 5;
/// The window over which the share of failures is judged; Finagle's.
const WINDOW: Nanos = 30_000_000_000;
/// The calls of a window, below which its share is not judged.
const SAMPLES: u32 = 20;
/// The share that ejects: more than one failure in this many calls. Finagle ejects below 0.8.
const ONE_IN: u32 = 5;
/// The first ejection lasts once to twice this, each further one twice as long.
const MIN_EJECTION: Nanos = 1_000_000_000;
/// The longest ejection.
const MAX_EJECTION: Nanos = 30_000_000_000;
/// After each such time without an ejection, one doubling is taken back.
const CLEAN: Nanos = 30_000_000_000;
/// After this, a probe without a result may be repeated by another task.
const PROBE: Nanos = 10_000_000_000;

const ALIVE: u64 = 0;
const EJECTED: u64 = 1;
const PROBING: u64 = 2;
/// The low bits of the state are the phase; the rest is the time until which it lasts.
const PHASE: u64 = 3;

/// The health of a node, and what is needed to judge it.
#[derive(Debug)]
pub(super) struct Health {
    state: AtomicU64,
    /// Failures since the last success.
    streak: AtomicU32,
    /// Ejections so far, less what clean time took back.
    level: AtomicU32,
    ejected_at: AtomicU64,
    returned_at: AtomicU64,
    /// The window over which the share of failures is judged; it begins with a failure.
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

    /// Records an answer to a call begun at `started`. Returns whether it brought the node back, as a call can
    /// that was sent although the node was ejected. An answer from before the ejection does not.
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

    /// Records a failure of a call begun at `started`, the `calls`th of the node. Returns until when it
    /// ejected the node, if it did. Failures of calls from before the node's recovery do not count.
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

    /// Records that another server answered a call begun at `started`: one such answer ejects. Returns until when, if the
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
        // Before the state, so that a thread that sees the state knows which calls are older.
        self.ejected_at.store(now, Ordering::Relaxed);
        let until = now.saturating_add(length(level, rng));
        self.change(ALIVE, EJECTED, until).then(|| {
            self.level.store(level, Ordering::Relaxed);
            until
        })
    }

    /// Whether the caller, and only the caller, must probe the node now.
    pub(super) fn wants_probe(&self, now: Nanos) -> bool {
        let state = self.state.load(Ordering::Acquire);
        state != ALIVE
            && now >= state & !PHASE
            && self.change(state, PROBING, now.saturating_add(PROBE))
    }

    /// Records the result of a probe. After a failure the node is ejected for longer.
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

    /// Forgets every failure. Returns whether that brought the node back.
    pub(super) fn reset(&self, now: Nanos) -> bool {
        self.level.store(0, Ordering::Relaxed);
        self.come_back(self.state.load(Ordering::Acquire), now)
    }

    /// Changes `state` to alive, unless another thread was first.
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

/// The result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeResult {
    /// The node gets calls again.
    Returned,
    /// It stays ejected until this time, in nanoseconds of this crate's clock; then it is probed again.
    Ejected(u64),
    /// Another result decided the node's state before this probe ended.
    Late,
}

/// Equal jitter: `h + U[0, h)`, `h` doubling with the level; Finagle's `Backoff.equalJittered`.
fn length(level: u32, rng: &Rng) -> Nanos {
    let half = MIN_EJECTION
        .saturating_mul(1 << level.saturating_sub(1).min(16))
        .min(MAX_EJECTION);
    (half + rng.number() % half).min(MAX_EJECTION)
}
