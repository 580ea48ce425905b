//! The registry fails, and calls go on.

use std::time::Duration;

use micro::{Client, Code, Context, Outcome};
use serde_json::Value;
use tokio::time::sleep;

use super::cluster::{Cluster, call, echo};

#[tokio::test(start_paused = true)]
async fn calls_go_on_while_the_registry_is_out_of_reach() {
    let cluster = Cluster::new();
    let (_node, count) = cluster.echo("node").await;
    let client = cluster.client();
    call(&echo(&client)).await.unwrap();
    cluster.registry.set_down(true);
    for _ in 0..20 {
        sleep(Duration::from_secs(60)).await;
        call(&echo(&client)).await.unwrap();
    }
    assert_eq!(count.get(), 21);
}

#[tokio::test(start_paused = true)]
async fn caller_started_during_an_outage_fails_and_recovers() {
    let cluster = Cluster::new();
    let (_node, _) = cluster.echo("node").await;
    cluster.registry.set_down(true);
    let client = cluster.client();
    let error = call(&echo(&client)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    cluster.registry.set_down(false);
    sleep(Duration::from_secs(15)).await;
    call(&echo(&client)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn empty_registry_is_doubted_for_thirty_seconds() {
    let cluster = Cluster::new();
    let service = cluster.service("node", "text");
    let service = service.handle("Text.Echo", async |_: micro::Context, text: String| {
        Ok::<_, micro::Error>(text)
    });
    // It does not come back by itself.
    let service = service.lifecycle(|life| {
        life.register_ttl = Duration::from_secs(7200);
        life.register_interval = Duration::from_secs(3600);
    });
    let _node = service.serve().await.unwrap();
    let client = cluster.client();
    call(&echo(&client)).await.unwrap();
    cluster.registry.forget();
    sleep(Duration::from_secs(29)).await;
    call(&echo(&client)).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let error = call(&echo(&client)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(error.reason().as_deref(), Some("NO_NODES"), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
}

#[tokio::test(start_paused = true)]
async fn registry_that_lost_its_memory_costs_no_call() {
    let cluster = Cluster::new();
    let (_node, count) = cluster.echo("node").await;
    let client = cluster.client();
    call(&echo(&client)).await.unwrap();
    cluster.registry.forget();
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        call(&echo(&client)).await.unwrap();
    }
    assert_eq!(count.get(), 61);
}

/// What the node says of its health.
async fn health(client: &Client) -> Value {
    let health = client.method::<Value, Value>("text", "Debug.Health");
    let asked = health.call(&Context::new(), Value::Null).address("node:80");
    asked.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn service_started_during_an_outage_serves_and_registers_later() {
    let cluster = Cluster::new();
    cluster.registry.set_down(true);
    let (running, _) = cluster.echo("node").await;
    let client = cluster.client();
    let said = health(&client).await;
    assert_eq!(
        (&said["ready"], &said["registered"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        said["reason"], "unavailable",
        "a word, and not the error's text"
    );
    sleep(Duration::from_secs(100)).await;
    cluster.registry.set_down(false);
    sleep(Duration::from_millis(1_300)).await;
    assert_eq!(health(&client).await["registered"], true);
    call(&echo(&client)).await.unwrap();
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn age_of_the_nodes_is_reported_until_the_registry_recovers() {
    let cluster = Cluster::new();
    let (_node, _) = cluster.echo("node").await;
    let client = cluster.client();
    assert!(client.discovery_ages().is_empty());
    call(&echo(&client)).await.unwrap();
    let age = || client.discovery_ages()[0].clone();
    assert_eq!(age(), ("text".to_owned(), Duration::ZERO));
    cluster.registry.set_down(true);
    sleep(Duration::from_secs(60)).await;
    assert!(age().1 >= Duration::from_secs(59), "{:?}", age());
    cluster.registry.set_down(false);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(age().1, Duration::ZERO);
}
