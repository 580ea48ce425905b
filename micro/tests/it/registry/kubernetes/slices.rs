//! Plain services, by the endpoints that the cluster keeps for them.

use micro::registry::Registry;
use serde_json::{Value, json};

use super::cluster::{Cluster, node};
use crate::registry::{ids, next_set, until};

impl Cluster {
    fn slices(&self) -> String {
        let namespace = &self.namespace;
        format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
    }

    fn slice(&self, name: &str, service: &str, endpoints: Value) {
        let slice = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "ports": [{"name": "metrics", "port": 9000}, {"name": "grpc", "port": 7000}],
            "endpoints": endpoints,
        });
        self.ask("POST", &self.slices(), &slice);
    }

    fn change_slice(&self, name: &str, endpoints: Value) {
        let path = format!("{}/{name}", self.slices());
        self.ask("PATCH", &path, &json!({ "endpoints": endpoints }));
    }
}

fn endpoint(number: u32, conditions: Value) -> Value {
    json!({
        "addresses": [format!("10.9.0.{number}")], "conditions": conditions, "zone": "west",
        "targetRef": {"kind": "Pod", "name": format!("users-{number}")},
    })
}

#[tokio::test]
async fn plain_service_is_found_and_followed() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let ready = || json!({"ready": true});
    cluster.slice(
        "users-a",
        "users",
        json!([endpoint(1, ready()), endpoint(2, ready())]),
    );
    cluster.slice("users-b", "users", json!([endpoint(3, ready())]));
    cluster.slice("other", "other", json!([endpoint(9, ready())]));
    let registry = cluster.registry("&kind=endpointslices");
    assert_eq!(registry.list().await.unwrap(), ["other", "users"]);
    let nodes = registry.get("users").await.unwrap();
    assert_eq!(ids(&nodes), ["users-1", "users-2", "users-3"]);
    assert_eq!(nodes[0].address, "10.9.0.1:7000");
    assert_eq!(
        (
            &*nodes[0].metadata["zone"],
            &*nodes[0].metadata["protocols"]
        ),
        ("west", "grpc")
    );
    assert!(registry.get("topic:users").await.unwrap().is_empty());

    let mut updates = registry.watch(Some("users")).await.unwrap();
    until(&mut updates, &["users-1", "users-2", "users-3"]).await;
    let ending = json!({"ready": false, "serving": true, "terminating": true});
    cluster.change_slice(
        "users-a",
        json!([endpoint(1, ready()), endpoint(2, ending)]),
    );
    until(&mut updates, &["users-1", "users-3"]).await;
    cluster.change_slice(
        "users-b",
        json!([endpoint(3, ready()), endpoint(4, ready())]),
    );
    until(&mut updates, &["users-1", "users-3", "users-4"]).await;
    // One that moves from slice to slice was never away.
    cluster.change_slice(
        "users-a",
        json!([endpoint(1, ready()), endpoint(4, ready())]),
    );
    cluster.change_slice("users-b", json!([endpoint(3, json!({"ready": false}))]));
    until(&mut updates, &["users-1", "users-4"]).await;
    cluster.change_slice("users-b", json!([]));
    cluster.change_slice("users-a", json!([]));
    loop {
        let (nodes, authoritative) = next_set(&mut updates).await;
        if nodes.is_empty() {
            assert!(authoritative);
            break;
        }
    }
}

#[tokio::test]
async fn port_is_configurable_and_slices_are_read_only() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.slice("users-a", "users", json!([endpoint(1, json!({}))]));
    let registry = cluster.registry("&endpoint-slices=true&port=metrics&protocol=http");
    let nodes = registry.get("users").await.unwrap();
    assert_eq!(
        (&*nodes[0].address, &*nodes[0].metadata["protocol"]),
        ("10.9.0.1:9000", "http")
    );
    registry.register(&node("users", 5), None).await.unwrap();
    assert_eq!(ids(&registry.get("users").await.unwrap()), ["users-1"]);
    registry.deregister(&node("users", 5)).await.unwrap();
    let mut strange = registry.watch(Some("topic:users")).await.unwrap();
    assert_eq!(next_set(&mut strange).await, (vec![], false));
}
