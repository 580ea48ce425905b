//! An API server that is lost, hangs or has forgotten.

use std::{sync::Arc, time::Duration};

use micro::registry::Registry;
use tokio::time::timeout;

use super::cluster::{Cluster, Proxy, Way, node, open};
use crate::registry::{
    ids,
    losses::{comes, stale},
    until,
};

#[tokio::test]
async fn watch_survives_losses_and_misses_no_change() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let direct = cluster.registry("&pod=one");
    direct.register(&node("greeter", 1), None).await.unwrap();
    let proxy = Proxy::to(cluster.address()).await;
    let registry = open(&cluster.url_at(&proxy.url, ""));
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1"]).await;

    proxy.set(Way::Cut);
    let error = timeout(Duration::from_secs(2), stale(&mut updates))
        .await
        .unwrap();
    assert!(
        error.contains("registry `kubernetes` at 127.0.0.1:"),
        "{error}"
    );
    direct.register(&node("greeter", 2), None).await.unwrap();
    proxy.set(Way::Open);
    comes(&mut updates, &["greeter-1", "greeter-2"]).await;

    // Silence is noticed though nothing is broken.
    proxy.set(Way::Hung);
    let error = loop {
        if let Ok(error) = timeout(Duration::from_secs(8), stale(&mut updates)).await {
            break error;
        }
    };
    assert!(error.contains("no answer"), "{error}");
    direct.register(&node("greeter", 3), None).await.unwrap();
    proxy.set(Way::Open);
    comes(&mut updates, &["greeter-1", "greeter-2", "greeter-3"]).await;
}

#[tokio::test]
async fn nodes_that_left_while_nobody_was_heard_are_in_doubt() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let direct = cluster.registry("&pod=one");
    for number in [1, 2] {
        direct
            .register(&node("greeter", number), None)
            .await
            .unwrap();
    }
    let proxy = Proxy::to(cluster.address()).await;
    let registry = open(&cluster.url_at(&proxy.url, ""));
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1", "greeter-2"]).await;
    proxy.set(Way::Cut);
    stale(&mut updates).await;
    direct.deregister(&node("greeter", 1)).await.unwrap();
    proxy.set(Way::Open);
    // What is there again is heard, with the one in doubt; a change that is seen counts at once.
    direct.register(&node("greeter", 3), None).await.unwrap();
    comes(&mut updates, &["greeter-1", "greeter-2", "greeter-3"]).await;
    assert_eq!(
        ids(&registry.get("greeter").await.unwrap()),
        ["greeter-2", "greeter-3"]
    );
}

#[tokio::test]
async fn nothing_is_left_of_a_handle_that_is_dropped() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let proxy = Proxy::to(cluster.address()).await;
    let registry = Arc::new(open(&cluster.url_at(&proxy.url, "&pod=one")));
    registry.register(&node("greeter", 1), None).await.unwrap();
    let mut watches = Vec::new();
    for _ in 0..30 {
        let mut updates = registry.watch(Some("greeter")).await.unwrap();
        until(&mut updates, &["greeter-1"]).await;
        watches.push(updates);
    }
    assert!((24..=32).contains(&proxy.count()), "{}", proxy.count());
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    drop(watches);
    drop(registry);
    let gone = async {
        while proxy.count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.unwrap();
    let left = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert!(left < tasks && left <= 1, "{left} of {tasks}");
}

/// A burst is shown as a few sets, and the last is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_changes_ends_in_the_right_set() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let registry = cluster.registry("&pod=one");
    let reader = cluster.registry("");
    let mut updates = reader.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &[]).await;
    for number in 1..=40 {
        registry
            .register(&node("greeter", number), None)
            .await
            .unwrap();
    }
    for number in 2..=40 {
        registry.deregister(&node("greeter", number)).await.unwrap();
    }
    comes(&mut updates, &["greeter-1"]).await;
}
