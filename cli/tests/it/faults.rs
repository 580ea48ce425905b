//! Processes that are killed, stopped and replaced under load: who calls them does not notice.

use std::{thread::sleep, time::Duration};

use crate::fleet::Fleet;

/// Whether there is time for the long form.
fn slow() -> bool {
    std::env::var_os("MICRO_TEST_SLOW").is_some()
}

/// What a machine that runs other tests beside this one can bear without optimisation.
fn rate() -> u32 {
    if cfg!(debug_assertions) { 500 } else { 3000 }
}

/// The longest that a call may take, in microseconds.
fn patience() -> u64 {
    if cfg!(debug_assertions) {
        1_000_000
    } else {
        250_000
    }
}

const STOP: Duration = Duration::from_secs(3);
/// Until callers trust a node again that hung: its ejection, of up to two seconds, and a probe.
const TRUST: Duration = Duration::from_millis(2500);

#[test]
fn no_call_fails_while_nodes_are_killed_stopped_and_rolled() {
    let mut fleet = Fleet::start("greeter");
    let seconds = if slow() { 60 } else { 14 };
    let mut bench = fleet.bench("Greeter.Hello", r#"{"name":"John"}"#, rate(), seconds);
    let mut faults = 0;
    sleep(Duration::from_millis(500));
    while bench.is_running() {
        let node = faults % 3;
        match faults % 5 {
            2 => {
                fleet.stop(node, STOP);
                sleep(TRUST);
            }
            4 => fleet.roll(node),
            _ => fleet.kill(node),
        }
        faults += 1;
        sleep(Duration::from_millis(500));
    }
    let (code, figures, words) = bench.end();
    assert_eq!(code, 0, "{figures} {words}");
    assert_eq!(figures["failed"], 0, "{figures}");
    assert_eq!(figures["calls"], u64::from(rate()) * seconds);
    let slowest = figures["max_us"].as_u64().expect("it is a number");
    assert!(slowest <= patience(), "{figures}");
    assert!(faults >= 5, "only {faults} faults fitted in");
}

#[test]
fn rolled_nodes_execute_non_idempotent_calls_once() {
    let mut fleet = Fleet::start("counter");
    // A roll takes a little more than the second in which callers hear of it.
    let (rolls, seconds) = if slow() { (20, 40) } else { (6, 12) };
    let mut bench = fleet.bench("Counter.Add", r#"{"n":1}"#, rate(), seconds);
    sleep(Duration::from_millis(500));
    for roll in 0..rolls {
        fleet.roll(roll % 3);
    }
    assert!(bench.is_running(), "the rolls outlasted the calls");
    let (code, figures, words) = bench.end();
    assert_eq!(code, 0, "{figures} {words}");
    assert_eq!(figures["failed"], 0, "{figures}");
    let calls = u64::from(rate()) * seconds;
    assert_eq!(figures["calls"], calls);
    assert_eq!(fleet.end(), calls, "executed against calls made");
}

#[test]
fn hung_node_answers_late_and_executes_once() {
    let mut fleet = Fleet::start("counter");
    let mut bench = fleet.bench("Counter.Add", r#"{"n":1}"#, 100, 8);
    sleep(Duration::from_millis(500));
    fleet.stop(0, Duration::from_secs(2));
    sleep(Duration::from_millis(500));
    fleet.stop(1, Duration::from_secs(2));
    assert!(bench.is_running(), "the faults outlasted the calls");
    let (code, figures, words) = bench.end();
    assert_eq!(code, 0, "{figures} {words}");
    assert_eq!(figures["failed"], 0, "{figures}");
    assert_eq!(fleet.end(), 800, "executed against calls made");
}

#[test]
fn call_beyond_its_deadline_fails_without_a_retry() {
    let mut fleet = Fleet::start("counter");
    let arguments = [
        "bench",
        "counter",
        "Counter.Add",
        r#"{"n":1}"#,
        "--json",
        "--rate",
        "100",
        "--duration",
        "5s",
        "--timeout",
        "500ms",
    ];
    let bench = crate::fleet::Bench::start(fleet.micro(&arguments));
    sleep(Duration::from_millis(500));
    fleet.stop(0, STOP);
    let (_, figures, words) = bench.end();
    let failed = figures["failed"].as_u64().expect("it is a number");
    let late = figures["errors"]["deadline_exceeded"].as_u64().unwrap_or(0);
    assert_eq!(failed, late, "{figures} {words}");
    let executed = fleet.end();
    assert!(
        executed <= 500 && executed >= 500 - failed,
        "{executed} {figures}"
    );
}
