use super::*;
use crate::selector::{ProbeResult, TriedNodes};

#[test]
fn five_consecutive_failures_eject_a_node() {
    let load = load(&fleet());
    for _ in 0..4 {
        assert_eq!(call(&load, START, MS, Verdict::Failed), None);
    }
    call(&load, START, MS, WELL);
    for _ in 0..4 {
        assert_eq!(call(&load, START, MS, Verdict::Failed), None);
    }
    assert!(load.is_alive());
    let until = call(&load, START, MS, Verdict::Failed).unwrap();
    assert!((START + SECOND - 4..=START + 2 * SECOND).contains(&until));
    assert!(!load.is_alive());
    assert_eq!(load.ejected_until(), Some(until & !3));
    assert_eq!(call(&load, START, MS, Verdict::Failed), None, "once");
}

#[test]
fn third_of_calls_failing_ejects_though_never_five_in_a_row() {
    let load = load(&fleet());
    let ejected = (0..300).find(|i| {
        let verdict = if i % 3 == 0 { Verdict::Failed } else { WELL };
        call(&load, START + i * MS, 1, verdict).is_some()
    });
    let ejected = ejected.unwrap();
    assert!((19..=40).contains(&ejected), "after 20 samples: {ejected}");
}

#[test]
fn one_failure_in_ten_does_not_eject() {
    let load = load(&fleet());
    for i in 0..10_000 {
        let verdict = if i % 10 == 0 { Verdict::Failed } else { WELL };
        assert_eq!(call(&load, START + i * 10 * MS, 1, verdict), None);
    }
}

#[test]
fn one_caller_probes_once_the_time_is_over() {
    let load = load(&fleet());
    let until = eject(&load, START);
    assert!(!load.wants_probe(until - MS));
    assert!(load.wants_probe(until));
    assert!(!load.wants_probe(until), "another does already");
    assert!(!load.is_alive(), "not before the probe succeeds");
    assert_eq!(load.probed(until + MS, true), ProbeResult::Returned);
    assert!(load.is_alive());
    assert_eq!(load.latency(), None, "it begins anew");
    assert!(!load.wants_probe(until + 60 * SECOND));
}

#[test]
fn probe_that_was_lost_is_made_again() {
    let load = load(&fleet());
    let until = eject(&load, START);
    assert!(load.wants_probe(until));
    assert!(!load.wants_probe(until + 9 * SECOND));
    assert!(load.wants_probe(until + 11 * SECOND));
}

#[test]
fn each_failed_probe_ejects_for_longer_up_to_thirty_seconds() {
    let load = load(&fleet());
    let mut until = eject(&load, START);
    let mut lengths = Vec::new();
    for _ in 0..8 {
        assert!(load.wants_probe(until));
        let now = until;
        let ProbeResult::Ejected(next) = load.probed(now, false) else {
            panic!("a failed probe ejects");
        };
        lengths.push((next - now) / SECOND);
        until = next;
    }
    assert!((2..4).contains(&lengths[0]), "{lengths:?}");
    assert!(lengths.is_sorted(), "{lengths:?}");
    assert_eq!(lengths[7], 30, "{lengths:?}");
}

#[test]
fn clean_time_takes_doublings_back() {
    let load = load(&fleet());
    let mut now = START;
    for _ in 0..4 {
        now = eject(&load, now);
        assert!(load.wants_probe(now));
        load.probed(now, true);
    }
    let soon = eject(&load, now + MS) - now;
    assert!(soon > 15 * SECOND, "the fifth in a row lasts {soon}");
    now += soon + MS;
    assert!(load.wants_probe(now));
    load.probed(now, true);
    now += 300 * SECOND;
    assert!(eject(&load, now) - now <= 2 * SECOND);
}

#[test]
fn failures_of_calls_from_before_the_return_do_not_count() {
    let load = load(&fleet());
    for _ in 0..20 {
        load.begin(START);
    }
    let until = eject(&load, START + MS);
    assert!(load.wants_probe(until));
    load.probed(until, true);
    for _ in 0..20 {
        assert_eq!(load.end(until + MS, START, Verdict::Failed), None);
    }
    assert!(load.is_alive());
}

#[test]
fn only_an_answer_to_a_later_call_brings_an_ejected_node_back() {
    let load = load(&fleet());
    load.begin(START);
    eject(&load, START + MS);
    load.end(START + 2 * MS, START, WELL);
    assert!(!load.is_alive(), "an old answer proves nothing");
    load.begin(START + 2 * MS);
    load.end(START + 3 * MS, START + 2 * MS, WELL);
    assert!(
        load.is_alive(),
        "as when all were ejected and ejection ignored"
    );
}

#[test]
fn failed_probe_does_not_eject_a_node_that_recovered_meanwhile() {
    let load = load(&fleet());
    let until = eject(&load, START);
    assert!(load.wants_probe(until));
    call(&load, until + MS, MS / 2, WELL);
    assert!(load.is_alive());
    assert_eq!(load.probed(until + 2 * MS, false), ProbeResult::Late);
    assert!(load.is_alive());
}

#[test]
fn ejection_is_ignored_once_more_than_half_of_the_weight_is_out() {
    let tried = TriedNodes::new();
    let usable = |snapshot: &Snapshot| -> Vec<usize> {
        (0..snapshot.len())
            .filter(|i| snapshot.is_usable(*i, &tried))
            .collect()
    };
    let four = snapshot(nodes(4), &[]);
    eject(&four.get(0).load, START);
    eject(&four.get(1).load, START);
    assert_eq!(usable(&four), [2, 3]);
    let until = eject(&four.get(2).load, START);
    assert_eq!(
        usable(&four),
        [0, 1, 2, 3],
        "the last one alone would not hold"
    );
    assert!(four.get(2).load.wants_probe(until));
    four.get(2).load.probed(until, true);
    assert_eq!(usable(&four), [2, 3]);

    let one = snapshot(nodes(1), &[]);
    eject(&one.get(0).load, START);
    assert_eq!(usable(&one), [0], "the only node always takes calls");

    let heavy = snapshot([node("a").with_metadata("weight", "900"), node("b")], &[]);
    eject(&heavy.get(0).load, START);
    assert_eq!(usable(&heavy), [0, 1], "one of two, but most of the weight");
}

#[test]
fn wrong_server_at_its_address_ejects_a_node_at_once() {
    let load = load(&fleet());
    let until = call(&load, START, MS, Verdict::WrongServer).unwrap();
    assert!(until > START && !load.is_alive());
    assert_eq!(call(&load, START, MS, Verdict::WrongServer), None, "once");
    assert!(load.wants_probe(until));
    assert!(load.is_replaced());
    assert_eq!(load.probed(until, true), ProbeResult::Returned);
    assert!(!load.is_replaced());
}

#[test]
fn replaced_node_is_picked_only_where_all_are_replaced() {
    let snapshot = snapshot(nodes(3), &[]);
    let usable = || {
        let all = 0..snapshot.len();
        let usable = all.filter(|index| snapshot.is_usable(*index, &TriedNodes::new()));
        usable.collect::<Vec<_>>()
    };
    let replace = |index: usize| {
        let load = &snapshot.get(index).load;
        call(load, START + MS, 0, Verdict::WrongServer);
    };
    replace(0);
    assert_eq!(usable(), [1, 2]);
    eject(&snapshot.get(1).load, START);
    assert!(snapshot.is_panicking());
    assert_eq!(
        usable(),
        [1, 2],
        "those that failed, as more than half are ejected"
    );
    eject(&snapshot.get(2).load, START);
    assert_eq!(usable(), [1, 2]);
    replace(1);
    assert_eq!(usable(), [2], "also one that was ejected before");
    replace(2);
    assert_eq!(usable(), [0, 1, 2], "nothing better is known");
}
