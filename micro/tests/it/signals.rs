//! Signals to a service that is a process of its own.
#![cfg(unix)]

use std::{ffi::OsStr, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use micro::{
    Context, Handler, Plugins, Result, Service, Settings,
    registry::{Memory, Node, Registry, Updates},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    process::{Process, say, when_unwanted},
    raw::{preface, request},
};

const HANGS: &str = "MICRO_TEST_HANGS";

/// Not a test of its own: the service that the tests below start.
#[test]
#[ignore = "a service's process, started by the tests beside it"]
fn service() {
    when_unwanted(|| std::process::exit(1));
    let registry = Telling {
        registry: Memory::new(),
        hangs: std::env::var_os(HANGS).is_some(),
    };
    let service = Service::new("text")
        .plugins(Plugins::new().registry(registry))
        .settings(Settings::new().args([""; 0]).unwrap())
        .lifecycle(|lifecycle| lifecycle.deregister_delay = Duration::ZERO);
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

/// The endpoint that the service calls of itself once it is registered, and whose handler never returns.
const STUCK: &str = "MICRO_TEST_STUCK";
const DRAIN: Duration = Duration::from_millis(500);

/// Not a test of its own: the service that the test below starts.
#[test]
#[ignore = "a service's process, started by the test beside it"]
fn stuck() {
    when_unwanted(|| std::process::exit(1));
    let service = Service::new("limits")
        .plugins(Plugins::new().registry(Calling(Memory::new())))
        .settings(Settings::new().args([""; 0]).unwrap())
        .lifecycle(|lifecycle| {
            lifecycle.deregister_delay = Duration::ZERO;
            lifecycle.drain = DRAIN;
        })
        .handle("Stuck.Blocks", never.blocking())
        .handle("Stuck.Spins", never);
    service.run().unwrap();
    say("ended");
}

async fn never(_: Context, _: Bytes) -> Result<Bytes> {
    say("stuck");
    loop {
        std::thread::park();
    }
}

/// A registry that calls whoever registers, and leaves the call open.
struct Calling(Memory);

#[async_trait]
impl Registry for Calling {
    fn name(&self) -> &str {
        "calling"
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        let endpoint = std::env::var(STUCK).unwrap();
        let mut socket = std::net::TcpStream::connect(&node.address)?;
        let asked = [preface(1), request(1, &endpoint, b"")].concat();
        std::io::Write::write_all(&mut socket, &asked)?;
        std::mem::forget(socket);
        self.0.register(node, ttl).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        say("deregistered");
        self.0.deregister(node).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.0.get(service).await
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.0.list().await
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        self.0.watch(service).await
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "another process has the real clock"
)]
fn exit_keeps_its_limit_with_a_handler_that_never_returns() {
    for endpoint in ["Stuck.Blocks", "Stuck.Spins"] {
        let mut process = Process::start("signals::stuck", &[(STUCK, OsStr::new(endpoint))]);
        process.until("stuck");
        let began = std::time::Instant::now();
        signal(&process, Signal::TERM);
        process.until("deregistered");
        process.until("ended");
        assert!(process.ends_well());
        let took = began.elapsed();
        assert!(
            took < DRAIN + Duration::from_secs(1),
            "{endpoint}: {took:?}"
        );
    }
}

fn start(hangs: bool) -> Process {
    let hangs = hangs.then_some((HANGS, OsStr::new("1")));
    Process::start("signals::service", hangs.as_slice())
}

fn signal(process: &Process, signal: Signal) {
    kill_process(Pid::from_child(process.child()), signal).unwrap();
}

#[test]
fn signal_during_registration_deregisters() {
    for which in [Signal::TERM, Signal::INT] {
        let mut process = start(true);
        process.until("registering");
        signal(&process, which);
        process.until("deregistered");
        process.until("ended");
        assert!(process.ends_well());
    }
}

#[test]
fn signal_ends_a_service_in_order() {
    for which in [Signal::TERM, Signal::INT] {
        let mut process = start(false);
        process.until("registered");
        signal(&process, which);
        process.until("deregistered");
        process.until("ended");
        assert!(process.ends_well());
    }
}
