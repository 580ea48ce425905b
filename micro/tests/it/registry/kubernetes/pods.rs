//! Pods that say what they serve.

use std::{sync::Arc, time::Duration};

use micro::{
    Code,
    registry::{Endpoint, Node, Registry, contract, encoding},
};
use serde_json::{Value, json};

use super::cluster::{Cluster, node, open};
use crate::registry::{ids, next_set, until};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

#[tokio::test]
async fn kubernetes_keeps_the_contract() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let make = async || Arc::new(cluster.registry("&pod=one")) as Arc<dyn Registry>;
    contract::all(make).await;
}

#[tokio::test]
async fn pod_has_the_labels_and_annotations_of_go_micro() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("greeter-7d");
    let registry = cluster.registry("&pod=greeter-7d");
    let full = node("greeter", 1)
        .with_version("1.0.0")
        .with_metadata("protocol", "mucp")
        .with_endpoints([Endpoint::new("Greeter.Hello")]);
    registry.register(&full, TTL).await.unwrap();
    let pod = cluster.read_pod("greeter-7d");
    assert_eq!(pod["metadata"]["labels"]["micro.mu/type"], "service");
    let label = "micro.mu/selector-greeter";
    assert_eq!(pod["metadata"]["labels"][label], "service");
    let annotation = "micro.mu/service-greeter";
    let json = pod["metadata"]["annotations"][annotation].as_str().unwrap();
    let written = encoding::decode(json.as_bytes()).unwrap();
    assert_eq!(written, std::slice::from_ref(&full));

    // Again, it is not written again: each write would be told to all who watch.
    let version = pod["metadata"]["resourceVersion"].clone();
    registry.register(&full, TTL).await.unwrap();
    let again = cluster.read_pod("greeter-7d");
    assert_eq!(again["metadata"]["resourceVersion"], version);

    // A second node of the service leaves the first where go-micro reads it.
    let second = node("greeter", 2);
    registry.register(&second, TTL).await.unwrap();
    let both = cluster.read_pod("greeter-7d");
    assert_eq!(both["metadata"]["annotations"][annotation], json);
    assert_eq!(
        registry.get("greeter").await.unwrap(),
        [full.clone(), second.clone()]
    );

    registry.deregister(&second).await.unwrap();
    assert_eq!(
        cluster.read_pod("greeter-7d")["metadata"]["labels"][label],
        "service"
    );
    registry.deregister(&full).await.unwrap();
    let pod = cluster.read_pod("greeter-7d");
    assert_eq!(pod["metadata"]["labels"][label], Value::Null);
    assert_eq!(pod["metadata"]["annotations"][annotation], Value::Null);
}

#[tokio::test]
async fn what_go_micro_registers_is_found() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("go");
    let service = r#"{"name":"go.micro.srv.users","version":"latest","metadata":null,"endpoints":[],"nodes":[{"id":"go.micro.srv.users-1","address":"10.9.0.7","port":8080,"metadata":{"protocol":"mucp"}}]}"#;
    let patch = json!({"metadata": {
        "labels": {"micro.mu/type": "service", "micro.mu/selector-go.micro.srv.users": "service"},
        "annotations": {"micro.mu/service-go.micro.srv.users": service},
    }});
    cluster.ask("PATCH", &cluster.path("pods/go"), &patch);
    let registry = cluster.registry("");
    assert_eq!(registry.list().await.unwrap(), ["go.micro.srv.users"]);
    let nodes = registry.get("go.micro.srv.users").await.unwrap();
    assert_eq!((nodes.len(), &*nodes[0].address), (1, "10.9.0.7:8080"));
}

#[tokio::test]
async fn nodes_of_a_terminating_pod_are_removed() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    for (number, pod) in [(1, "one"), (2, "two"), (3, "three")] {
        cluster.placed_pod(pod);
        let registry = cluster.registry(&format!("&pod={pod}"));
        registry
            .register(&node("greeter", number), TTL)
            .await
            .unwrap();
    }
    let registry = cluster.registry("");
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1", "greeter-2", "greeter-3"]).await;
    // It is there for 30 s still.
    cluster.delete_pod("one");
    until(&mut updates, &["greeter-2", "greeter-3"]).await;
    assert!(cluster.read_pod("one")["metadata"]["deletionTimestamp"].is_string());
    cluster.status("two", json!({"phase": "Failed"}));
    until(&mut updates, &["greeter-3"]).await;
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-3"]);
    cluster.delete_pod("three");
    assert_eq!(next_set(&mut updates).await, (vec![], true));
}

#[tokio::test]
async fn unready_pod_is_removed_if_others_are_ready() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    for (number, pod) in [(1, "one"), (2, "two")] {
        cluster.pod(pod);
        let registry = cluster.registry(&format!("&pod={pod}"));
        registry
            .register(&node("greeter", number), TTL)
            .await
            .unwrap();
    }
    let registry = cluster.registry("");
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1", "greeter-2"]).await;
    let ready = |is: &str| json!({"conditions": [{"type": "Ready", "status": is}]});
    cluster.status("one", ready("False"));
    until(&mut updates, &["greeter-2"]).await;
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-2"]);
    cluster.status("one", ready("True"));
    until(&mut updates, &["greeter-1", "greeter-2"]).await;
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let (Some(one), Some(other)) = (Cluster::new(), Cluster::new()) else {
        return;
    };
    for (cluster, number) in [(&one, 1), (&other, 2)] {
        cluster.pod("pod");
        let registry = cluster.registry("&pod=pod");
        registry
            .register(&node("greeter", number), None)
            .await
            .unwrap();
    }
    assert_eq!(
        ids(&one.registry("").get("greeter").await.unwrap()),
        ["greeter-1"]
    );
    assert_eq!(
        ids(&other.registry("").get("greeter").await.unwrap()),
        ["greeter-2"]
    );
}

#[tokio::test]
async fn hostile_records_harm_only_themselves() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("bad");
    cluster.pod("good");
    let registry = cluster.registry("&pod=good");
    registry.register(&node("greeter", 1), None).await.unwrap();
    let nowhere = json!({"name": "greeter", "nodes": [{"id": "x", "address": "0.0.0.0:0"}]});
    let other = json!({"name": "users", "nodes": [{"id": "y", "address": "h:1"}]});
    let patch = json!({"metadata": {
        "labels": {"micro.mu/type": "service", "micro.mu/selector-greeter": "service"},
        "annotations": {
            "micro.mu/service-greeter": nowhere.to_string(),
            "micro.mu/service-a": "{", "micro.mu/service-b": "x".repeat(100_000),
            "micro.mu/service-c": other.to_string(),
        },
    }});
    cluster.ask("PATCH", &cluster.path("pods/bad"), &patch);
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-1"]);
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1"]).await;
}

#[tokio::test]
async fn what_cannot_be_registered_says_why() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let registry = cluster.registry("&pod=none");
    let error = registry
        .register(&node("greeter", 1), None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(
        error.to_string().contains("pod `none` is not in namespace"),
        "{error}"
    );
    registry.deregister(&node("greeter", 1)).await.unwrap();
    cluster.pod("one");
    let registry = cluster.registry("&pod=one");
    // Annotations of a pod have no more than 256 KiB together.
    for number in 1..=5 {
        let node = node("greeter", number).with_metadata("large", "x".repeat(60_000));
        let registered = registry.register(&node, None).await;
        if number < 5 {
            registered.unwrap();
        } else {
            let error = registered.unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{error}");
            assert!(error.to_string().contains("Too long"), "{error}");
        }
    }
}

#[test]
fn handle_serves_several_runtimes() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let registry = open(&cluster.url("&pod=one"));
    for number in 1..3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let node: Node = node("greeter", number);
            registry.register(&node, None).await.unwrap();
            let mut updates = registry.watch(Some("greeter")).await.unwrap();
            let expected: Vec<_> = (1..=number).map(|n| format!("greeter-{n}")).collect();
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            until(&mut updates, &expected).await;
        });
    }
}
