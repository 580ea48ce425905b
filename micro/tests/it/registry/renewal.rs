//! How a service keeps its registration up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use micro::{
    Code, Context, Error, Plugins, Result, Running, Service, Settings,
    registry::{Memory, Node, Registry, Updates},
    transport,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// A registry elsewhere that is told how to answer.
#[derive(Clone, Default)]
struct Elsewhere {
    registry: Memory,
    refuses: Arc<Mutex<Option<Error>>>,
    hangs: Arc<AtomicBool>,
}

#[async_trait]
impl Registry for Elsewhere {
    fn name(&self) -> &str {
        "elsewhere"
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn register(&self, node: &Node, ttl: Option<Duration>) -> Result<()> {
        if self.hangs.load(Relaxed) {
            std::future::pending().await
        }
        let refused = self.refuses.lock().clone();
        match refused {
            Some(error) => Err(error),
            None => self.registry.register(node, ttl).await,
        }
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
        self.registry.watch(service).await
    }
}

fn service(registry: impl Registry) -> Service {
    let plugins = Plugins::new()
        .registry(registry)
        .transport(transport::Memory::new());
    Service::new("text").plugins(plugins)
}

fn said(arguments: &[&str]) -> Settings {
    Settings::new().args(arguments.iter().copied()).unwrap()
}

async fn health(running: &Running) -> Value {
    let client = running.client();
    let health = client.method::<Value, Value>("text", "Debug.Health");
    let asked = health.call(&Context::new(), Value::Null);
    asked.address(&running.node().address).await.unwrap()
}

/// Whether the node is in the registry at each moment of ten minutes.
async fn stays(registry: &Memory) -> bool {
    let end = Instant::now() + Duration::from_secs(600);
    while Instant::now() < end {
        if registry.get("text").await.unwrap().is_empty() {
            return false;
        }
        sleep(Duration::from_millis(50)).await;
    }
    true
}

#[tokio::test(start_paused = true)]
async fn shorter_time_to_live_alone_shortens_the_interval() {
    for ttl in ["5s", "1s", "40s", "20ms"] {
        let registry = Memory::new();
        let service = service(registry.clone());
        let service = service.settings(said(&[&format!("--register-ttl={ttl}")]));
        let _running = service.serve().await.unwrap();
        assert!(stays(&registry).await, "{ttl}");
    }
    let registry = Memory::new();
    let service = service(registry.clone());
    let service = service.lifecycle(|life| life.register_ttl = Duration::from_secs(5));
    let _running = service.serve().await.unwrap();
    assert!(stays(&registry).await, "in code");
}

#[tokio::test]
async fn interval_of_more_than_half_the_time_to_live_is_refused() {
    let cases: [&[&str]; 3] = [
        &["--register-ttl=5s", "--register-interval=30s"],
        &["--register-ttl=5s", "--register-interval=3s"],
        &["--register-interval=60s"],
    ];
    let refused = async |service: Service| {
        let error = service.serve().await.map(drop).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("`--register-ttl`") && text.contains("`--register-interval`"),
            "{text}"
        );
    };
    for arguments in cases {
        refused(service(Memory::new()).settings(said(arguments))).await;
    }
    let in_code: [fn(&mut micro::Lifecycle); 3] = [
        |life| life.register_interval = Duration::from_secs(31),
        |life| life.register_interval = Duration::ZERO,
        |life| life.register_ttl = Duration::ZERO,
    ];
    for change in in_code {
        refused(service(Memory::new()).lifecycle(change)).await;
    }
    let fits = ["--register-ttl=5s", "--register-interval=2500ms"];
    let running = service(Memory::new()).settings(said(&fits)).serve().await;
    running.unwrap().stop().await;
}

#[tokio::test(start_paused = true)]
async fn lapsed_registration_is_not_told_as_registered() {
    let registry = Elsewhere::default();
    let running = service(registry.clone()).serve().await.unwrap();
    assert_eq!(health(&running).await["registered"], true);
    registry.hangs.store(true, Relaxed);
    sleep(Duration::from_secs(50)).await;
    assert_eq!(health(&running).await["registered"], true);
    sleep(Duration::from_secs(40)).await;
    let said = health(&running).await;
    assert_eq!(said["registered"], false);
    let reason = said["reason"].as_str().unwrap();
    assert!(reason.contains("lapsed"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn refusal_that_can_pass_is_waited_for() {
    for code in [
        Code::ResourceExhausted,
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Aborted,
    ] {
        let registry = Elsewhere::default();
        *registry.refuses.lock() = Some(Error::new(code, "it is full just now"));
        let running = service(registry.clone()).serve().await.unwrap();
        let said = health(&running).await;
        assert_eq!(
            (&said["ready"], &said["registered"]),
            (&true.into(), &false.into())
        );
        let reason = said["reason"].as_str().unwrap();
        assert_eq!(reason, code.as_str(), "the error itself is for the log");
        sleep(Duration::from_secs(100)).await;
        *registry.refuses.lock() = None;
        sleep(Duration::from_millis(1_100)).await;
        assert_eq!(health(&running).await["registered"], true);
        assert_eq!(registry.get("text").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn refusal_that_cannot_pass_fails_the_start() {
    for code in [
        Code::PermissionDenied,
        Code::Unauthenticated,
        Code::InvalidArgument,
    ] {
        let registry = Elsewhere::default();
        *registry.refuses.lock() = Some(Error::new(code, "never"));
        let error = service(registry).serve().await.map(drop).unwrap_err();
        assert_eq!(error.code(), code);
    }
}
