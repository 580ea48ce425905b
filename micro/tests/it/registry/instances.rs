//! Two instances of a service that have one id.

use std::time::Duration;

use micro::{
    Context, Plugins, Running, Service,
    registry::{Memory, Registry},
};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::warnings::Warnings;

/// An instance of `text`, which renews ten times a second.
async fn instance(registry: &Memory) -> Running {
    let service = Service::new("text")
        .id("fixed")
        .address("127.0.0.1:0")
        .handle("Text.Echo", async |_: Context, text: String| {
            Ok::<_, micro::Error>(text)
        })
        .plugins(Plugins::new().registry(registry.clone()))
        .lifecycle(|life| {
            life.register_ttl = Duration::from_secs(2);
            life.register_interval = Duration::from_millis(100);
            life.deregister_delay = Duration::from_millis(20);
        });
    service.serve().await.unwrap()
}

/// What an instance says of its health.
async fn health(running: &Running) -> Value {
    let client = running.client();
    let health = client.method::<Value, Value>("text", "Debug.Health");
    let asked = health.call(&Context::new(), Value::Null);
    asked.address(&running.node().address).await.unwrap()
}

/// Waits for a health of which this holds.
async fn until(running: &Running, is_expected: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let waited = timeout(Duration::from_secs(10), async {
        while !is_expected(&last) {
            sleep(Duration::from_millis(10)).await;
            last = health(running).await;
        }
    });
    let waited = waited.await.is_ok();
    assert!(waited, "{last}");
}

fn names(health: &Value, other: &Running) -> bool {
    let reason = health["reason"].as_str().unwrap_or_default();
    reason.contains(&other.node().address) && reason.contains("text-fixed")
}

#[tokio::test]
async fn second_instance_of_an_id_is_told_to_both() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let registry = Memory::new();
    let older = instance(&registry).await;
    assert_eq!(health(&older).await["reason"], Value::Null);
    let newer = instance(&registry).await;
    let said = health(&newer).await;
    assert!(said["registered"] == true && names(&said, &older), "{said}");
    until(&older, |said| {
        said["registered"] == false && names(said, &newer)
    })
    .await;
    {
        let warned = warnings.0.lock().unwrap();
        let warns_of = |other: &Running| {
            warned
                .iter()
                .any(|text| text.contains(&other.node().address))
        };
        assert!(warns_of(&older) && warns_of(&newer), "{warned:?}");
    }
    // The record is the newer one's, before and after the older one's goodbye.
    let found = async || registry.get("text").await.unwrap();
    assert_eq!(found().await, [newer.node().clone()]);
    older.stop().await;
    assert_eq!(found().await, [newer.node().clone()]);
    until(&newer, |said| said["reason"].is_null()).await;
    newer.stop().await;
    assert!(found().await.is_empty());
}

#[tokio::test]
async fn older_instance_is_back_when_the_newer_one_has_left() {
    let registry = Memory::new();
    let older = instance(&registry).await;
    let newer = instance(&registry).await;
    until(&older, |said| said["registered"] == false).await;
    newer.stop().await;
    until(&older, |said| said["registered"] == true).await;
    assert_eq!(registry.get("text").await.unwrap(), [older.node().clone()]);
}

#[tokio::test]
async fn restart_after_a_crash_is_no_conflict() {
    let registry = Memory::new();
    let crashed = instance(&registry).await;
    // Its record is still there, and nobody listens at its address.
    drop(crashed);
    let restarted = instance(&registry).await;
    assert_eq!(health(&restarted).await["reason"], Value::Null);
    assert_eq!(
        registry.get("text").await.unwrap(),
        [restarted.node().clone()]
    );
}
