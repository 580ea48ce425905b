//! Signals to a service that is a process of its own.
#![cfg(unix)]

use std::{ffi::OsStr, time::Duration};

use async_trait::async_trait;
use micro::{
    Plugins, Result, Service, Settings,
    registry::{Memory, Node, Registry, Updates},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Process, say, when_unwanted};

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

fn start(hangs: bool) -> Process {
    let hangs = hangs.then_some((HANGS, OsStr::new("1")));
    Process::start("signals::service", hangs.as_slice())
}

fn signal(process: &Process, signal: Signal) {
    kill_process(Pid::from_child(process.child()), signal).unwrap();
}

#[test]
fn a_signal_while_it_registers_takes_back_what_the_registry_may_know() {
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
fn a_signal_ends_a_service_in_order() {
    for which in [Signal::TERM, Signal::INT] {
        let mut process = start(false);
        process.until("registered");
        signal(&process, which);
        process.until("deregistered");
        process.until("ended");
        assert!(process.ends_well());
    }
}
