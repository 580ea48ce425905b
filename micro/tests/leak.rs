//! Descriptors, tasks and memory stay flat after 100,000 calls while nodes come and go.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]
#![cfg(target_os = "linux")]

use std::{
    fs,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use futures_core::Stream;
use micro::{
    Client, Code, Context, Plugins, Result, Running, Service,
    registry::{Memory, Node, Registry, Update, Updates},
};

/// Calls of one round, in each of which every node is replaced once.
const CALLS: usize = 5_000;
const ROUNDS: usize = 20;
/// Rounds after which everything has reached its size.
const WARM: usize = 4;

/// What is used is counted for the whole process, so that each test runs alone.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
        .lifecycle(|life| life.deregister_delay = Duration::from_millis(2))
        .handle("Text.Echo", async |_: Context, text: String| {
            Ok::<_, micro::Error>(text)
        });
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
    let _alone = ALONE.lock().await;
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

/// Calls a service of each of so many invented names, and an address that nobody listens at.
async fn invented(client: &Client, names: std::ops::Range<usize>) {
    let context = Context::new();
    for name in names {
        let method = client.method::<String, String>(&format!("invented-{name}"), "Text.Echo");
        let error = method.call(&context, "x".into()).await.unwrap_err();
        assert_eq!(error.reason().as_deref(), Some("NO_NODES"), "{error}");
    }
}

#[tokio::test]
async fn invented_names_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    const NAMES: usize = 100_000;
    let registry = Counted {
        registry: Memory::new(),
        watches: Arc::default(),
    };
    let _node = node(&registry.registry).await;
    let plugins = Plugins::new().registry(registry.clone());
    let client = plugins.client().unwrap();
    calls(&client, 10).await;
    invented(&client, 0..1000).await;
    let (before, watches) = (used(), registry.watches());
    invented(&client, 1000..NAMES).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let after = used();
    assert!(after.tasks <= before.tasks + 4, "{before:?} {after:?}");
    assert!(registry.watches() <= watches + 4, "{}", registry.watches());
    assert!(
        after.resident <= before.resident + (4 << 20),
        "{before:?} {after:?}"
    );
    calls(&client, 10).await;
}

#[tokio::test(start_paused = true)]
async fn service_that_is_called_no_more_is_forgotten_in_minutes() {
    let _alone = ALONE.lock().await;
    let registry = Counted {
        registry: Memory::new(),
        watches: Arc::default(),
    };
    let plugins = Plugins::new()
        .registry(registry.clone())
        .transport(micro::transport::Memory::new());
    let none = registry.watches();
    let mut running = Vec::new();
    for number in 0..100 {
        let service = Service::new(format!("text-{number}")).plugins(plugins.clone());
        let service = service.handle("Text.Echo", async |_: Context, text: String| {
            Ok::<_, micro::Error>(text)
        });
        running.push(service.serve().await.unwrap());
    }
    let client = plugins.client().unwrap();
    // Handles to endpoints keep nothing alive, and still lead to their services when these are forgotten.
    let methods: Vec<_> = (0..100)
        .map(|number| client.method::<String, String>(&format!("text-{number}"), "Text.Echo"))
        .collect();
    let call = async |number: usize| {
        let method = &methods[number];
        method.call(&Context::new(), "x".into()).await.unwrap();
    };
    for number in 0..100 {
        call(number).await;
        call(number).await;
    }
    // One of version weights besides.
    assert_eq!(registry.watches() - none, 101);
    for _ in 0..7 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        call(7).await;
    }
    assert_eq!(registry.watches() - none, 2);
    tokio::time::sleep(Duration::from_secs(420)).await;
    assert_eq!(registry.watches() - none, 0);
    call(3).await;
}

#[tokio::test]
async fn invented_addresses_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let client = Plugins::new().registry(Memory::new()).client().unwrap();
    let before = used();
    let method = client.method::<String, String>("text", "Text.Echo");
    for number in 0..1000 {
        let address = format!("unix:/nowhere/{number}");
        let context = Context::new().with_timeout(Duration::from_millis(2));
        let call = method.call(&context, "x".into()).address(&address);
        assert_eq!(call.await.unwrap_err().code(), Code::Unavailable);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let after = used();
    assert!(after.tasks <= before.tasks + 4, "{before:?} {after:?}");
    assert!(
        after.descriptors <= before.descriptors + 4,
        "{before:?} {after:?}"
    );
}

/// A registry that counts the watches there are.
#[derive(Clone)]
struct Counted {
    registry: Memory,
    watches: Arc<()>,
}

impl Counted {
    fn watches(&self) -> usize {
        Arc::strong_count(&self.watches) - 1
    }
}

/// Lives as long as a watch.
struct Watched(
    Updates,
    #[allow(dead_code, reason = "it is counted")] Arc<()>,
);

impl Stream for Watched {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Update>> {
        self.0.as_mut().poll_next(cx)
    }
}

#[async_trait::async_trait]
impl Registry for Counted {
    fn name(&self) -> &str {
        self.registry.name()
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        self.registry.register(node, ttl).await
    }

    async fn deregister(&self, node: &Node) -> Result<()> {
        self.registry.deregister(node).await
    }

    async fn get(&self, service: &str) -> Result<Vec<Node>> {
        self.registry.get(service).await
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.registry.list().await
    }

    async fn watch(&self, service: Option<&str>) -> Result<Updates> {
        let updates = self.registry.watch(service).await?;
        Ok(Box::pin(Watched(updates, self.watches.clone())))
    }
}
