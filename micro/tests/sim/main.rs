//! The whole system in one thread on virtual time, under faults that follow from a seed.
//!
//! Each process is a runtime of its own, so that it can be killed or stopped with all its tasks.
//!
//! Two callers' hosts, two relays, three leaves and a registry, over simulated connections that
//! break, stall, refuse and cut bytes anywhere, while processes are killed, frozen and rolled. Each
//! call must be answered once and in time, and nothing may be done twice that must not be.
//!
//! `MICRO_SIM_SEED=7 cargo test -p micro-rs --test sim -- --nocapture` plays one seed and shows what
//! happened; `MICRO_SIM_SEEDS=5000` plays so many instead of 200.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod callers;
mod events;
mod faults;
mod ledger;
mod nodes;
mod run;
mod streams;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use run::{Report, run};

/// Seeds that every test run plays.
const SEEDS: u64 = 200;

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a seed is a number"))
}

fn check(seed: u64, report: &Report) {
    assert!(
        report.violations.is_empty(),
        "seed {seed}, {} calls:\n  {}\nplay it again with\n  \
         MICRO_SIM_SEED={seed} cargo test -p micro-rs --test sim -- --nocapture",
        report.calls,
        report.violations.join("\n  ")
    );
}

#[test]
fn each_call_ends_once_and_in_time_whatever_fails() {
    if let Some(seed) = from_environment("MICRO_SIM_SEED") {
        let report = run(seed, true);
        eprintln!("{}", report.lines.join("\n"));
        return check(seed, &report);
    }
    let seeds = from_environment("MICRO_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let (calls, fine) = (AtomicU64::new(0), AtomicU64::new(0));
    let (redelivered, hedged) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = run(seed, false);
                    calls.fetch_add(report.calls as u64, Relaxed);
                    fine.fetch_add(report.fine as u64, Relaxed);
                    redelivered.fetch_add(report.redelivered as u64, Relaxed);
                    hedged.fetch_add(report.hedged, Relaxed);
                    check(seed, &report);
                }
            });
        }
    });
    let (calls, fine) = (calls.into_inner(), fine.into_inner());
    assert!(calls > seeds * 100, "only {calls} calls were made");
    assert!(fine * 2 > calls, "only {fine} of {calls} calls went well");
    assert!(fine < calls, "no call failed: the faults do nothing");
    let (redelivered, hedged) = (redelivered.into_inner(), hedged.into_inner());
    assert!(redelivered > 0, "no event was delivered again");
    assert!(hedged > 0, "no call was hedged");
}

#[test]
fn seed_repeats_a_run_exactly() {
    for seed in [1, 2, 3, 9] {
        let (first, second) = (run(seed, true), run(seed, true));
        let mut pairs = first.lines.iter().zip(&second.lines);
        if let Some(place) = pairs.position(|(one, other)| one != other) {
            let around = place.saturating_sub(8)..place + 4;
            panic!(
                "seed {seed} differs:\n{:#?}\n{:#?}",
                &first.lines[around.clone()],
                &second.lines[around]
            );
        }
        assert_eq!(first.hash, second.hash, "seed {seed}");
    }
}
