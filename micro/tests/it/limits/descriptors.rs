//! Thousands of connections, and fewer descriptors than connections: in processes of their own,
//! because descriptors and memory belong to a process.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "other processes run on the real clock, and are spoken to over pipes"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream as Socket,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use micro::Context;

use super::{Under, method};
use crate::raw::{Raw, preface, request};

/// Says to the process it is set in what it is to do.
const ROLE: &str = "MICRO_TEST_ROLE";

/// Runs one test of this binary alone, with so many descriptors; `None` where the system gives fewer.
fn alone(test: &str, descriptors: u32) -> Option<Child> {
    let binary = std::env::current_exe().unwrap();
    let script = r#"ulimit -n "$1" 2>/dev/null || exit 77; shift; exec "$@""#;
    let allowed = Command::new("sh")
        .args(["-c", script, "sh", &descriptors.to_string(), "true"])
        .status()
        .unwrap();
    if !allowed.success() {
        let why = format!("the system gives fewer than {descriptors}");
        crate::skip::skip("many descriptors", why);
        return None;
    }
    let child = Command::new("sh")
        .args(["-c", script, "sh", &descriptors.to_string()])
        .arg(binary)
        .args([
            "--exact",
            &format!("limits::descriptors::{test}"),
            "--nocapture",
        ])
        .env(ROLE, "alone")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Some(child)
}

fn is_alone() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Runs one test of this binary alone to its end.
fn passes_alone(test: &str, descriptors: u32) {
    let Some(mut child) = alone(test, descriptors) else {
        return;
    };
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn calls_succeed_beside_thousands_of_idle_connections() {
    if !is_alone() {
        return passes_alone("calls_succeed_beside_thousands_of_idle_connections", 6000);
    }
    let under = Under::start(|_| {}).await;
    let before = resident_kib();
    let mut idle = Vec::new();
    for _ in 0..2000 {
        idle.push(Raw::greeted(under.address()).await);
    }
    answers_at_once(&under).await;
    let each = (resident_kib() - before) / idle.len();
    assert!(each < 16, "{each} KiB a connection, both sides");
    idle[1999].is_alive().await;
}

async fn answers_at_once(under: &Under) {
    let began = Instant::now();
    let client = under.client(|_| {});
    let echo = method(&client, "Limits.Echo");
    assert_eq!(echo.call(&Context::new(), "x".into()).await.unwrap(), "x");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_partial_frames_and_silent_peers_leave_no_connection() {
    if !is_alone() {
        return passes_alone(
            "garbage_partial_frames_and_silent_peers_leave_no_connection",
            8000,
        );
    }
    // With the limits of a real service it takes half a minute.
    let slow = std::env::var_os("MICRO_TEST_SLOW").is_some();
    let under = Under::start(|limits| {
        if !slow {
            limits.handshake_timeout = Duration::from_secs(1);
            limits.frame_timeout = Duration::from_secs(1);
        }
    })
    .await;
    answers_at_once(&under).await;
    let (descriptors, memory) = (open_descriptors(), resident_kib());
    let mut half = preface(256 * 1024);
    half.extend(request(1, "Limits.Echo", &vec![7; 4 << 20]));
    let mut flood = Vec::new();
    for number in 0..3000 {
        let mut socket = Socket::connect(under.address()).unwrap();
        let said = match number % 3 {
            // A garbled connection may be closed before all is written.
            0 => socket.write_all(&[0x99; 1000]),
            1 => socket.write_all(&half[..2000]),
            _ => Ok(()),
        };
        drop(said);
        flood.push(socket);
    }
    answers_at_once(&under).await;
    let grown = resident_kib().saturating_sub(memory);
    assert!(grown < 150 * 1024, "grown by {grown} KiB");
    let began = Instant::now();
    // Its own ends of the flood stay open: the service must let go by itself.
    while open_descriptors() > descriptors + flood.len() + 10 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{} descriptors are still open",
            open_descriptors() - flood.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    answers_at_once(&under).await;
}

/// Serves until its standard input ends.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn serving_alone() {
    if !is_alone() {
        return;
    }
    let under = Under::start(|_| {}).await;
    println!("\naddress={}", under.address());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    ended.await.unwrap().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_out_of_descriptors_recovers_when_some_are_free() {
    let Some(mut child) = alone("serving_alone", 64) else {
        return;
    };
    // Held to the end: who writes into a pipe that nobody holds fails.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("address=").map(str::to_owned))
        .expect("the address it serves at");
    let mut first = Raw::greeted(&address).await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        let mut raw = Raw::connect(&address).await;
        raw.send(&preface(1)).await;
        flood.push(raw);
    }
    // More wait at the door than it can take, and those inside are served all the same.
    let mut last = flood.pop().unwrap();
    let mut byte = [0];
    let answered = tokio::io::AsyncReadExt::read(&mut last.0, &mut byte);
    let waited = tokio::time::timeout(Duration::from_millis(500), answered).await;
    assert!(waited.is_err(), "it was let in");
    first.is_alive().await;
    drop(flood);
    last.greeting().await;
    let mut fresh = Raw::greeted(&address).await;
    fresh.is_alive().await;
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
