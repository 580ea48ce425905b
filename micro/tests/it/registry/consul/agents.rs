//! Connections: how many, and to which of several agents.

use std::{fs, time::Duration};

use micro::{
    Code,
    registry::{Node, Registry},
};
use serde_json::json;

use super::{
    super::{ids, process::Server, until},
    TTL, http, leads, node, own, registry,
};

/// Connections of this process to a port, by the kernel's table.
fn connections(port: u16) -> usize {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let remote = format!("0100007F:{port:04X}");
    let is_established = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        words.next() == Some(&*remote) && words.next() == Some("01")
    };
    table.lines().filter(is_established).count()
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "counts connections as Linux shows them"
)]
async fn sixty_watches_share_their_connections_and_leave_none_behind() {
    let Some(mut server) = own(&json!({})) else {
        return;
    };
    server.start(leads).await;
    let (address, port) = (server.address(), server.port());
    let registry = registry(&format!("consul://{address}"));
    let services: Vec<_> = (0..60).map(|number| format!("many-{number}")).collect();
    let mut watches = Vec::new();
    for service in &services {
        let mut updates = registry.watch(Some(service)).await.unwrap();
        until(&mut updates, &[]).await;
        watches.push(updates);
    }
    let mut most = 0;
    // All wait at once, as their owners' tasks would have them.
    let mut waiting = tokio::task::JoinSet::new();
    for (service, mut updates) in services.iter().zip(watches) {
        let id = format!("{service}-1");
        waiting.spawn(async move {
            until(&mut updates, &[&*id]).await;
            updates
        });
    }
    for service in &services {
        let node = Node::new(service, format!("{service}-1"), "127.0.0.1:80");
        registry.register(&node, TTL).await.unwrap();
        most = most.max(connections(port));
    }
    let mut leaving = tokio::task::JoinSet::new();
    for mut updates in waiting.join_all().await {
        // Whoever left is gone, and not in doubt for the turns that ended meanwhile.
        leaving.spawn(async move {
            assert!(until(&mut updates, &[]).await);
            updates
        });
    }
    for service in &services {
        let node = Node::new(service, format!("{service}-1"), "127.0.0.1:80");
        registry.deregister(&node).await.unwrap();
    }
    let watches = leaving.join_all().await;
    assert_eq!(watches.len(), 60);
    assert!((2..=30).contains(&most), "{most} connections");
    drop((watches, registry));
    while connections(port) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server, and a client agent that has joined it.
async fn pair() -> Option<(Server, Server)> {
    let serf = super::process::port();
    let mut server = own(&json!({ "ports": { "serf_lan": serf } }))?;
    let mut agent = own(&json!({
        "server": false, "bootstrap_expect": 0, "retry_join": [format!("127.0.0.1:{serf}")],
        "retry_interval": "1s", "leave_on_terminate": false,
    }))?;
    server.start(leads).await;
    agent.start(leads).await;
    Some((server, agent))
}

#[tokio::test]
async fn node_moves_to_another_agent_and_leaves_both() {
    let Some((server, mut agent)) = pair().await else {
        return;
    };
    let url = format!("consul://{},{}", agent.address(), server.address());
    let registry = registry(&url);
    let services = |of: &Server| http(&of.address(), "GET", "/v1/agent/services", "");
    registry.register(&node("greeter-1"), TTL).await.unwrap();
    assert!(services(&agent).contains("greeter-1"));
    assert!(!services(&server).contains("greeter-1"));
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1"]).await;
    agent.kill();
    registry.register(&node("greeter-1"), TTL).await.unwrap();
    assert!(services(&server).contains("greeter-1"));
    assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-1"]);
    // Back with what it knew.
    agent.start(leads).await;
    assert!(services(&agent).contains("greeter-1"));
    registry.deregister(&node("greeter-1")).await.unwrap();
    assert!(!services(&agent).contains("greeter-1"));
    assert!(registry.get("greeter").await.unwrap().is_empty());
}

#[tokio::test]
async fn node_of_another_agent_fails_with_that_agents_name() {
    let Some((server, agent)) = pair().await else {
        return;
    };
    let (near, far) = (server.address(), agent.address());
    let (near, far) = (
        registry(&format!("consul://{near}")),
        registry(&format!("consul://{far}")),
    );
    far.register(&node("greeter-1"), TTL).await.unwrap();
    let error = near.deregister(&node("greeter-1")).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    let agent = format!("with the agent of `node-{}`", agent.port());
    assert!(error.message().contains(&agent), "{error}");
    assert_eq!(near.get("greeter").await.unwrap().len(), 1);
    far.deregister(&node("greeter-1")).await.unwrap();
}
