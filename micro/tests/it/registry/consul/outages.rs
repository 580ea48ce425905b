//! A Consul that dies, forgets, hangs.
#![allow(
    clippy::disallowed_methods,
    reason = "a server of another process runs on the real clock"
)]

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use micro::{
    Code,
    registry::{Registry, Update, Updates},
};
use serde_json::json;

use super::{
    super::{ids, until},
    TTL, leads, node, own, registry,
};

/// The next update, however long it takes within a minute.
async fn next(updates: &mut Updates) -> Update {
    let update = poll_fn(|cx| updates.as_mut().poll_next(cx));
    let update = tokio::time::timeout(Duration::from_secs(60), update).await;
    update.expect("an update comes").expect("the watch goes on")
}

/// The ids of the next set that comes after news of an outage.
async fn after_outage(updates: &mut Updates) -> Vec<String> {
    let mut stale = false;
    loop {
        match next(updates).await {
            Update::Stale { .. } => stale = true,
            Update::Set { nodes, .. } if stale => {
                return ids(&nodes).into_iter().map(str::to_owned).collect();
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn watch_survives_a_restart_and_data_loss() {
    let Some(mut server) = own(&json!({})) else {
        return;
    };
    server.start(leads).await;
    let registry = registry(&format!("consul://{}", server.address()));
    for id in ["greeter-1", "greeter-2"] {
        registry.register(&node(id), TTL).await.unwrap();
    }
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    let mut all = registry.watch(None).await.unwrap();
    until(&mut updates, &["greeter-1", "greeter-2"]).await;
    until(&mut all, &["greeter-1", "greeter-2"]).await;

    server.kill();
    let Update::Stale { error, .. } = next(&mut updates).await else {
        panic!("an outage is said");
    };
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains(&server.address()), "{error}");
    let error = registry.get("greeter").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    server.start(leads).await;
    registry.register(&node("greeter-3"), TTL).await.unwrap();
    let three = ["greeter-1", "greeter-2", "greeter-3"];
    while !matches!(next(&mut updates).await, Update::Set { nodes, .. } if ids(&nodes) == three) {}

    server.kill();
    server.empty();
    server.start(leads).await;
    // It shows none now, which is not believed.
    assert_eq!(after_outage(&mut updates).await, three);
    assert!(registry.get("greeter").await.unwrap().is_empty());
    // The first that is back does not stand alone.
    let changed = node("greeter-1").with_metadata("weight", "5");
    registry.register(&changed, TTL).await.unwrap();
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-1"]);
    let seen = |update: Update, expected: &[&str], weight: u32| match update {
        Update::Set { nodes, .. } => ids(&nodes) == expected && nodes[0].weight() == weight,
        _ => false,
    };
    while !seen(next(&mut updates).await, &three, 5) {}
    registry.deregister(&changed).await.unwrap();
    while !seen(next(&mut updates).await, &three[1..], 100) {}
    // Nobody looked at this one meanwhile: it believes no loss, and goes on.
    registry.register(&node("greeter-4"), TTL).await.unwrap();
    let expected = ["greeter-1", "greeter-2", "greeter-4"];
    while !seen(next(&mut all).await, &expected, 100) {}
}

#[tokio::test]
async fn hung_server_is_detected_and_recovers() {
    let Some(mut server) = own(&json!({})) else {
        return;
    };
    server.start(leads).await;
    let registry = registry(&format!("consul://{}", server.address()));
    registry.register(&node("greeter-1"), TTL).await.unwrap();
    let mut one = registry.watch(Some("greeter")).await.unwrap();
    let mut all = registry.watch(None).await.unwrap();
    until(&mut one, &["greeter-1"]).await;
    until(&mut all, &["greeter-1"]).await;
    let hung = Instant::now();
    server.hang();
    let stale = async |updates: &mut Updates| {
        let update = next(updates).await;
        assert!(matches!(update, Update::Stale { .. }), "{update:?}");
        hung.elapsed()
    };
    let (one_took, all_took) = tokio::join!(stale(&mut one), stale(&mut all));
    let limit = Duration::from_secs(16);
    assert!(
        one_took < limit && all_took < limit,
        "{one_took:?}, {all_took:?}"
    );
    let error = registry
        .register(&node("greeter-1"), TTL)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("no answer"), "{error}");
    server.go_on();
    let (one, all) = tokio::join!(after(&mut one), after(&mut all));
    assert_eq!((one, all), (1, 1));
    registry.register(&node("greeter-1"), TTL).await.unwrap();
}

/// The size of the next set.
async fn after(updates: &mut Updates) -> usize {
    loop {
        if let Update::Set { nodes, .. } = next(updates).await {
            return nodes.len();
        }
    }
}

#[tokio::test]
async fn node_deregistered_during_an_outage_is_removed_later() {
    let Some(mut server) = own(&json!({})) else {
        return;
    };
    server.start(leads).await;
    let registry = registry(&format!("consul://{}", server.address()));
    registry.register(&node("greeter-1"), None).await.unwrap();
    server.kill();
    let error = registry.deregister(&node("greeter-1")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    server.start(leads).await;
    while registry.get("greeter").await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    registry.deregister(&node("greeter-1")).await.unwrap();
    assert!(registry.get("greeter").await.unwrap().is_empty());
}

#[tokio::test]
async fn connection_opens_on_first_use_and_errors_name_the_host() {
    let address = format!("127.0.0.1:{}", super::process::port());
    let registry = registry(&format!("consul://me:secret@{address}?token=hidden"));
    let error = registry.list().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let said = error.to_string();
    assert!(
        said.contains(&format!("registry `consul` at {address}: no connection")),
        "{said}"
    );
    assert!(
        !said.contains("secret") && !said.contains("hidden"),
        "{said}"
    );
}
