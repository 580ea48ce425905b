use super::*;

#[test]
fn slow_answer_counts_at_once_and_fast_ones_reduce_it_slowly() {
    let load = load(&fleet());
    call(&load, START, MS, WELL);
    call(&load, START, 100 * MS, WELL);
    assert_eq!(load.latency().unwrap().as_millis(), 100);
    for i in 1..=5 {
        call(&load, START + i * 2 * SECOND, MS, WELL);
    }
    let after = load.latency().unwrap().as_millis();
    assert!((36..=39).contains(&after), "1/e of it after 10 s: {after}");
}

#[test]
fn cost_grows_with_calls_in_flight_and_decays_with_time() {
    let load = load(&fleet());
    call(&load, START, 8 * MS, WELL);
    let idle = load.cost(START);
    load.begin(START);
    load.begin(START);
    assert_eq!(load.in_flight(), 2);
    assert!((load.cost(START) / idle - 3.0).abs() < 1e-9);
    load.end(START, START, Verdict::Cancelled);
    load.end(START, START, Verdict::Cancelled);
    let decayed = load.cost(START + 2 * SECOND) / idle;
    assert!((decayed - 0.8187).abs() < 0.01, "{decayed}");
}

#[test]
fn node_that_hangs_costs_more_before_any_of_its_calls_returns() {
    let load = load(&fleet());
    call(&load, START, MS, WELL);
    load.begin(START);
    let before = load.cost(START + MS);
    let hung = load.cost(START + 50 * MS);
    assert!(hung > 20.0 * before, "{before} → {hung}");
    load.begin(START + 50 * MS);
    load.end(START + 51 * MS, START + 50 * MS, WELL);
    assert!(
        load.cost(START + 51 * MS) < hung / 10.0,
        "an answer is progress"
    );
}

#[test]
fn age_of_calls_begins_anew_when_none_was_in_flight() {
    let load = load(&fleet());
    call(&load, START, MS, WELL);
    load.begin(START + 60 * SECOND);
    assert!(load.cost(START + 60 * SECOND) < 2.0 * MS as f64);
}

#[test]
fn fast_failures_draw_no_traffic() {
    let fleet = fleet();
    let (good, bad) = (load(&fleet), load(&fleet));
    call(&good, START, 10 * MS, WELL);
    call(&bad, START, 10 * MS, WELL);
    call(&bad, START, 1, Verdict::Failed);
    assert!(bad.cost(START) > good.cost(START));
    call(&bad, START + MS, 1, Verdict::Failed);
    assert!(bad.cost(START + 60 * MS) > good.cost(START + 60 * MS));
    let later = START + 200 * MS;
    assert!(
        (bad.cost(later) / good.cost(later) - 1.0).abs() < 0.1,
        "it runs out"
    );
}

#[test]
fn pushback_is_kept_to_and_is_no_ill_health() {
    let load = load(&fleet());
    call(&load, START, MS, WELL);
    let pushback = Verdict::Overloaded {
        retry_after: Some(2 * SECOND),
    };
    for _ in 0..20 {
        assert_eq!(call(&load, START, MS, pushback), None);
    }
    assert!(load.is_alive());
    assert!(load.cost(START + SECOND) >= SECOND as f64);
    assert!(load.cost(START + 3 * SECOND) < 2.0 * MS as f64);
}

#[test]
fn cancelled_call_counts_its_time_and_does_not_change_health() {
    let load = load(&fleet());
    call(&load, START, MS, WELL);
    for _ in 0..20 {
        call(&load, START, 300 * MS, Verdict::Cancelled);
    }
    assert_eq!(load.latency().unwrap().as_millis(), 300);
    call(&load, START, MS / 2, Verdict::Cancelled);
    assert_eq!(load.latency().unwrap().as_millis(), 300);
    assert!(load.is_alive());
}

#[test]
fn reported_load_raises_the_cost_while_it_is_fresh() {
    let fleet = fleet();
    let (calm, busy) = (load(&fleet), load(&fleet));
    call(&calm, START, MS, WELL);
    call(&busy, START, MS, Verdict::Answered { server_load: 750 });
    assert!((busy.cost(START) / calm.cost(START) - 4.0).abs() < 0.01);
    let later = START + 4 * SECOND;
    assert!((busy.cost(later) / calm.cost(later) - 1.0).abs() < 0.01);
}

#[test]
fn new_node_is_warmed_up() {
    let fleet = fleet();
    let (old, new) = (load(&fleet), Load::new(&fleet, START));
    let ratio = |after| new.cost(START + after) / old.cost(START + after);
    assert!((ratio(0) - 10.0).abs() < 0.01);
    assert!((ratio(SECOND) - 2.0).abs() < 0.01);
    assert!((ratio(2 * SECOND) - 1.0).abs() < 0.01);
}

#[test]
fn slow_node_is_retried_after_three_seconds_by_one_call() {
    let load = load(&fleet());
    call(&load, START, SECOND, WELL);
    assert!(load.cost(START + 2 * SECOND) > 500.0 * MS as f64);
    let later = START + 3 * SECOND;
    assert!(load.cost(later) <= MS as f64);
    load.begin(later);
    assert!(load.cost(later) > 500.0 * MS as f64, "until that one ends");
    load.end(later + MS, later, WELL);
    assert_eq!(load.latency().unwrap().as_millis(), 1);
}

#[test]
fn calls_from_before_a_return_say_nothing_of_the_node_since() {
    let load = load(&fleet());
    for _ in 0..4 {
        load.begin(START);
    }
    let until = eject(&load, START + MS);
    assert!(load.wants_probe(until));
    load.probed(until, true);
    for verdict in [WELL, Verdict::Failed, Verdict::Failed, Verdict::Cancelled] {
        load.end(until + MS, START, verdict);
    }
    assert_eq!(load.latency(), None);
    let cost = load.cost(until + 2 * SECOND);
    assert!(
        (cost - MS as f64).abs() < 1.0,
        "that of a node without history: {cost}"
    );
}
