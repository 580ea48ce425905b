use std::{sync::Arc, time::Duration};

use micro::registry::{Memory, Node, Registry, contract};

use super::{next_set, until};

const TTL: Option<Duration> = Some(Duration::from_secs(10));

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() {
    let registry = Memory::new();
    let make = async || Arc::new(registry.clone()) as Arc<dyn Registry>;
    contract::all(make).await;
    contract::expiry(make, Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn watch_hears_of_an_expiry_though_nobody_asks() {
    let registry = Memory::new();
    let begun = tokio::time::Instant::now();
    registry
        .register(&Node::new("a", "1", "memory:1"), TTL)
        .await
        .unwrap();
    let mut updates = registry.watch(Some("a")).await.unwrap();
    assert_eq!(next_set(&mut updates).await.0.len(), 1);
    let (nodes, authoritative) = next_set(&mut updates).await;
    assert!(nodes.is_empty() && authoritative);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn renewal_without_ttl_lasts() {
    let registry = Memory::new();
    let node = Node::new("a", "1", "memory:1");
    registry.register(&node, TTL).await.unwrap();
    registry.register(&node, None).await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(registry.get("a").await.unwrap(), [node]);
}

#[tokio::test]
async fn registries_share_nothing_but_with_their_clones() {
    let (one, other) = (Memory::new(), Memory::new());
    one.register(&Node::new("a", "1", "memory:1"), None)
        .await
        .unwrap();
    assert!(other.list().await.unwrap().is_empty());
    let mut updates = one.clone().watch(None).await.unwrap();
    until(&mut updates, &["1"]).await;
}
