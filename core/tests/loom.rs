//! The lock-free parts of the selector under every interleaving with up to three preemptions that
//! memory ordering allows.
//!
//! Their files are included here with loom's atomics in place of the standard library's, so no flag is
//! needed: `cargo test -p micro-rs --test loom` (with `--release` it is quicker still).

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "the files are the library's; here they are not public"
)]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

mod time {
    pub(crate) type Nanos = u64;
}

mod verdict {
    #[derive(Clone, Copy, Debug)]
    pub enum Verdict {
        Answered { server_load: u16 },
        Overloaded { retry_after: Option<u64> },
        Failed,
        WrongServer,
        Cancelled,
    }
}

#[path = "../src/selector/fleet.rs"]
mod fleet;
#[path = "../src/selector/health.rs"]
mod health;
#[path = "../src/selector/latency.rs"]
mod latency;
#[path = "../src/selector/load.rs"]
mod load;
#[path = "../src/random.rs"]
mod random;

use std::sync::Arc;

use fleet::Fleet;
use health::ProbeResult;
use load::Load;
use loom::thread;
use random::Rng;
use verdict::Verdict;

const NOW: u64 = 1_000_000_000_000;
const LATER: u64 = NOW + 100_000_000_000;
const WELL: Verdict = Verdict::Answered { server_load: 0 };

fn load() -> Arc<Load> {
    let fleet = Arc::new(Fleet::new(Rng::seeded(1)));
    Arc::new(Load::new(&fleet, 0))
}

fn fail(load: &Load, now: u64) -> Option<u64> {
    load.begin(now);
    load.end(now, now, Verdict::Failed)
}

fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// One failure before ejection.
fn failing() -> Arc<Load> {
    let load = load();
    for _ in 0..4 {
        assert_eq!(fail(&load, NOW), None);
    }
    load
}

fn ejected() -> Arc<Load> {
    let load = failing();
    assert!(fail(&load, NOW).is_some());
    load
}

/// Runs both, one in a thread of its own.
fn both<A: 'static, B>(one: impl FnOnce() -> A + 'static, other: impl FnOnce() -> B) -> (A, B) {
    let one = thread::spawn(one);
    let other = other();
    (one.join().expect("the thread does not panic"), other)
}

#[test]
fn no_call_in_flight_is_lost() {
    model(|| {
        let load = load();
        load.begin(NOW);
        let call = |load: Arc<Load>| {
            move || {
                load.begin(NOW);
                load.end(NOW + 5, NOW, WELL);
            }
        };
        both(call(load.clone()), call(load.clone()));
        assert_eq!(load.in_flight(), 1);
    });
}

#[test]
fn two_failures_at_once_eject_once() {
    model(|| {
        let load = failing();
        let other = load.clone();
        let (one, other) = both(move || fail(&other, NOW), || fail(&load, NOW));
        assert!(one.is_some() != other.is_some());
        assert!(!load.is_alive());
    });
}

#[test]
fn two_concurrent_wrong_server_answers_eject_once() {
    model(|| {
        let load = load();
        let wrong = |load: Arc<Load>| {
            move || {
                load.begin(NOW);
                load.end(NOW, NOW, Verdict::WrongServer)
            }
        };
        let (one, other) = both(wrong(load.clone()), wrong(load.clone()));
        assert!(one.is_some() != other.is_some());
        assert!(!load.is_alive() && load.is_replaced());
    });
}

#[test]
fn one_of_two_callers_probes() {
    model(|| {
        let load = ejected();
        let other = load.clone();
        let (one, other) = both(move || other.wants_probe(LATER), || load.wants_probe(LATER));
        assert!(one != other);
    });
}

#[test]
fn answer_from_before_the_ejection_does_not_undo_it() {
    model(|| {
        let load = failing();
        load.begin(NOW - 1);
        let other = load.clone();
        let (ejected, _) = both(move || fail(&other, NOW), || load.end(NOW, NOW - 1, WELL));
        // The answer came first and ended the streak, or it came too late.
        assert_eq!(load.is_alive(), ejected.is_none());
    });
}

#[test]
fn probe_and_an_answer_bring_the_node_back() {
    model(|| {
        let load = ejected();
        assert!(load.wants_probe(LATER));
        load.begin(LATER);
        let other = load.clone();
        both(
            move || other.probed(LATER, true),
            || load.end(LATER, LATER, WELL),
        );
        assert!(load.is_alive());
        assert_eq!(fail(&load, LATER), None, "the streak is forgotten");
    });
}

#[test]
fn failed_probe_and_an_answer_leave_one_state() {
    model(|| {
        let load = ejected();
        assert!(load.wants_probe(LATER));
        load.begin(LATER);
        let other = load.clone();
        let (probed, _) = both(
            move || other.probed(LATER + 5, false),
            || load.end(LATER + 5, LATER, WELL),
        );
        match probed {
            ProbeResult::Late => assert!(load.is_alive(), "the answer was first"),
            // The answer's call began before this ejection: it may not undo it unless it saw the last.
            ProbeResult::Ejected(until) => {
                assert_eq!(load.ejected_until(), Some(until & !3));
            }
            ProbeResult::Returned => panic!("a failed probe brought the node back"),
        }
    });
}
