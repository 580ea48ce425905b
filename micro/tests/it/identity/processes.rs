//! Processes that are killed, and others that get their ports.

use std::{ffi::OsStr, sync::atomic::Ordering::Relaxed, time::Duration};

use micro::{
    Context, Plugins,
    registry::{Memory, Node, Registry, encoding},
};

use super::{Runs, ask, service};
use crate::process::{Process, say, when_unwanted};

const NAME: &str = "MICRO_TEST_IDENTITY_NAME";
const ADDRESS: &str = "MICRO_TEST_IDENTITY_ADDRESS";

/// In the process: a service that says what its record is.
#[test]
#[ignore = "a process of its own, which another test starts"]
fn child() {
    let (Ok(name), Ok(address)) = (std::env::var(NAME), std::env::var(ADDRESS)) else {
        return;
    };
    let name: &'static str = name.leak();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let registry = Memory::new();
        let service = service(name, &registry, &Runs::default());
        let running = service.address(address).serve().await.unwrap();
        let record = String::from_utf8(encoding::encode(running.node())).unwrap();
        say(&format!("record {record}"));
        let (unwanted, wanted) = tokio::sync::oneshot::channel::<()>();
        when_unwanted(move || drop(unwanted));
        let _ = wanted.await;
        running.stop().await;
    });
}

/// Starts a service at an address, and gives its record.
fn start(name: &str, address: &str) -> (Process, Node) {
    let variables = [(NAME, OsStr::new(name)), (ADDRESS, OsStr::new(address))];
    let mut process = Process::start("identity::processes::child", &variables);
    let record = process.says("record ");
    let node = encoding::decode(record.as_bytes()).unwrap().remove(0);
    (process, node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_or_strays_when_a_killed_nodes_port_is_reused() {
    let registry = Memory::new();
    let (mut first, record) = start("greeter", "127.0.0.1:0");
    let (_second, other) = start("greeter", "127.0.0.1:0");
    // A registry that hears of a death when the time to live is over.
    for node in [&record, &other] {
        registry.register(node, None).await.unwrap();
    }
    let client = Plugins::new().registry(registry.clone()).client().unwrap();
    let runs = Runs::default();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, runs) = (client.clone(), runs.clone());
        callers.spawn(async move {
            for _ in 0..400 {
                let answer = ask(&client, "greeter", Duration::from_secs(5)).await;
                // Not idempotent: what was under way when the process died may have been done.
                match answer {
                    Err(error) if error.outcome() == micro::Outcome::Unknown => {}
                    answer => assert_eq!(answer.unwrap(), "greeter"),
                }
                runs.fetch_add(1, Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    while runs.load(Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    let (_stranger, counter) = tokio::task::spawn_blocking(move || {
        first.kill();
        start("counter", &record.address)
    })
    .await
    .unwrap();
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    assert!(client.stats("greeter").ejections >= 1);
    // Who means the stranger reaches it.
    registry.register(&counter, None).await.unwrap();
    let method = client.method::<(), String>("counter", "Who.Am");
    assert_eq!(method.call(&Context::new(), ()).await.unwrap(), "counter");
}
