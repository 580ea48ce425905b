//! `micro demo`, as it is run by a person and by a program.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_micro"));
    command.arg("demo").args(arguments);
    command
}

#[test]
fn demo_prints_one_line_of_json_without_failures() {
    let seconds: u64 = if std::env::var_os("MICRO_TEST_SLOW").is_some() {
        60
    } else {
        10
    };
    let output = demo(&["--json", "--rate", "500", "--seconds", &seconds.to_string()]).output();
    let output = output.expect("the binary runs");
    let words = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout} {words}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    let verdict: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(verdict["calls"], 500 * seconds, "{verdict}");
    assert_eq!(verdict["failed"], 0, "{verdict}");
    let at_least = |name: &str, least: u64| {
        let count = verdict[name].as_u64().expect("it is a number");
        assert!(count >= least, "{name} in {verdict}");
    };
    at_least("kills", seconds.div_ceil(3));
    at_least("hangs", 1);
    at_least("rolls", 1);
    at_least("p50_us", 1);
    assert!(
        verdict["slowest_ms"]
            .as_f64()
            .is_some_and(|slowest| slowest < 1000.0),
        "{verdict}"
    );
}

#[test]
fn on_a_pipe_the_demo_writes_plain_lines() {
    let output = demo(&["--rate", "200", "--seconds", "3"])
        .output()
        .expect("the binary runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(!stdout.contains('\x1b'), "{stdout}");
    assert!(stdout.contains(": killed (SIGKILL)"), "{stdout}");
    assert!(stdout.contains("600 calls, 0 failed"), "{stdout}");
}

#[test]
fn no_greeter_outlives_a_demo_that_is_stopped_or_killed() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut demo = demo(&["--rate", "100", "--seconds", "60"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(demo.stdout.take().expect("its stdout is piped")).lines();
        // The first is written when all greeters are ready.
        lines
            .next()
            .expect("it says something")
            .expect("it speaks UTF-8");
        let greeters = children(demo.id());
        assert_eq!(greeters.len(), 3);
        kill_process(pid(demo.id()), signal).expect("it runs");
        assert!(!demo.wait().expect("it is waited for once").success());
        let patience = Instant::now() + Duration::from_secs(5);
        while greeters
            .iter()
            .any(|greeter| test_kill_process(pid(*greeter)).is_ok())
        {
            assert!(Instant::now() < patience, "greeters outlived {signal:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn pid(process: u32) -> Pid {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.expect("a process has a number")
}

/// The processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let output = output.expect("there is `ps`");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        Some((words.next()??, words.next()??))
    });
    pairs
        .filter(|(_, of)| *of == parent)
        .map(|(child, _)| child)
        .collect()
}
