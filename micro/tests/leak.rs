//! Descriptors, tasks and memory stay flat after 100,000 calls while nodes come and go.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]
#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use micro::{Client, Context, Plugins, Running, Service, registry::Memory};

/// Calls of one round, in each of which every node is replaced once.
const CALLS: usize = 5_000;
const ROUNDS: usize = 20;
/// Rounds after which everything has reached its size.
const WARM: usize = 4;

#[derive(Debug)]
struct Use {
    descriptors: usize,
    tasks: usize,
    resident: usize,
}

fn used() -> Use {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    Use {
        descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        tasks: tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        resident: pages * 4096,
    }
}

async fn node(registry: &Memory) -> Running {
    let service = Service::new("text")
        .plugins(Plugins::new().registry(registry.clone()))
        .lifecycle(|life| life.propagation = Duration::from_millis(2))
        .handle("Text.Echo", async |_: Context, text: String| Ok(text));
    service.serve().await.unwrap()
}

async fn calls(client: &Client, number: usize) {
    let method = client.method::<String, String>("text", "Text.Echo");
    for _ in 0..number {
        method.call(&Context::new(), "x".into()).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_grows_over_a_hundred_thousand_calls_with_churn() {
    let registry = Memory::new();
    let plugins = Plugins::new().registry(registry.clone());
    let client = plugins.client().unwrap();
    let mut nodes = [node(&registry).await, node(&registry).await];
    let mut warm = None;
    for round in 0..ROUNDS {
        for place in &mut nodes {
            let half = CALLS / 2 / 8;
            let calling: Vec<_> = (0..8)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { calls(&client, half).await })
                })
                .collect();
            let next = node(&registry).await;
            std::mem::replace(place, next).stop().await;
            for call in calling {
                call.await.unwrap();
            }
            // A client of one's own that comes and goes.
            calls(&plugins.client().unwrap(), 4).await;
        }
        if round == WARM {
            warm = Some(used());
        }
    }
    let (warm, end) = (warm.unwrap(), used());
    assert!(end.descriptors <= warm.descriptors + 4, "{warm:?} {end:?}");
    assert!(end.tasks <= warm.tasks + 4, "{warm:?} {end:?}");
    assert!(
        end.resident <= warm.resident + (2 << 20),
        "{warm:?} {end:?}"
    );
    for node in nodes {
        node.stop().await;
    }
    drop((client, plugins));
    tokio::time::timeout(Duration::from_secs(5), async {
        while used().tasks > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("every task ends with what it served");
}
