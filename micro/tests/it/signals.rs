//! Signals to a service that is a process of its own.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "the process is heard over a pipe")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use micro::{
    Plugins, Result, Service, Settings,
    registry::{Memory, Node, Registry, Updates},
};
use rustix::process::{Pid, Signal, kill_process};

const HANGS: &str = "MICRO_TEST_HANGS";

/// Not a test of its own: the service that the tests below start.
#[test]
#[ignore = "a service's process, started by the tests beside it"]
fn service() {
    std::thread::spawn(|| {
        // Ends with the test that started it.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
    let registry = Telling {
        registry: Memory::new(),
        hangs: std::env::var_os(HANGS).is_some(),
    };
    let service = Service::new("text")
        .plugins(Plugins::new().registry(registry))
        .settings(Settings::new().args([""; 0]).unwrap())
        .lifecycle(|lifecycle| lifecycle.propagation = Duration::ZERO);
    service.run().unwrap();
    say("ended");
}

/// A registry that tells the test what it is asked, and may be one that does not answer.
struct Telling {
    registry: Memory,
    hangs: bool,
}

#[async_trait]
impl Registry for Telling {
    fn name(&self) -> &str {
        "telling"
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        say("registering");
        if self.hangs {
            std::future::pending().await
        }
        self.registry.register(node, ttl).await?;
        say("registered");
        Ok(())
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        say("deregistered");
        self.registry.deregister(node).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.registry.get(service).await
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.registry.list().await
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        self.registry.watch(service).await
    }
}

/// Tells the test, on a line of its own among those of the test runner.
fn say(what: &str) {
    let mut output = std::io::stdout();
    output.write_all(format!("\n{what}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

/// The service's process, killed when dropped.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Open until the process has ended.
    _input: ChildStdin,
}

impl Process {
    fn start(hangs: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["signals::service", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if hangs {
            command.env(HANGS, "1");
        }
        let mut child = command.spawn().unwrap();
        Process {
            output: BufReader::new(child.stdout.take().unwrap()),
            _input: child.stdin.take().unwrap(),
            child,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it says so.
    fn until(&mut self, what: &str) {
        let mut line = String::new();
        while line.trim() != what {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "the process ended before it said `{what}`");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_signal_while_it_registers_takes_back_what_the_registry_may_know() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start(true);
        process.until("registering");
        process.signal(signal);
        process.until("deregistered");
        process.until("ended");
        assert!(process.child.wait().unwrap().success());
    }
}

#[test]
fn a_signal_ends_a_service_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start(false);
        process.until("registered");
        process.signal(signal);
        process.until("deregistered");
        process.until("ended");
        assert!(process.child.wait().unwrap().success());
    }
}
