//! What happens to watchers and registered nodes when the server is killed, emptied, hung or loses its leader.

use micro::{Context, Plugins, Service};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::registry::process::Server;

const EVENT_TIMEOUT: Duration = Duration::from_secs(10);

async fn started() -> Option<Server> {
    let mut server = own::alone(&[])?;
    server.start(own::is_ready).await;
    Some(server)
}

#[tokio::test]
async fn restart_is_survived_by_watches_and_nodes() {
    let Some(mut server) = started().await else {
        return;
    };
    let registry = open(&server.address());
    registry.register(&node("restart", 1), TTL).await.unwrap();
    let mut updates = registry.watch(Some("restart")).await.unwrap();
    until(&mut updates, &["restart-1"]).await;
    server.kill();
    let error = timeout(EVENT_TIMEOUT, stale(&mut updates))
        .await
        .expect("the loss is noticed");
    assert!(
        error.contains(&format!("registry `etcd` at {}", server.address())),
        "{error}"
    );
    let error = registry.get("restart").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    server.start(own::is_ready).await;
    registry.register(&node("restart", 2), TTL).await.unwrap();
    comes_within(&mut updates, &["restart-1", "restart-2"], EVENT_TIMEOUT).await;
    registry.deregister(&node("restart", 1)).await.unwrap();
    comes_within(&mut updates, &["restart-2"], EVENT_TIMEOUT).await;
}

#[tokio::test]
async fn nodes_are_rewritten_after_data_loss_without_a_renewal() {
    let Some(mut server) = started().await else {
        return;
    };
    let (mine, other) = (open(&server.address()), open(&server.address()));
    mine.register(&node("empty", 1), TTL).await.unwrap();
    let mut updates = other.watch(Some("empty")).await.unwrap();
    until(&mut updates, &["empty-1"]).await;
    server.kill();
    server.empty();
    server.start(own::is_ready).await;
    let begun = Instant::now();
    while other.get("empty").await.unwrap().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "it is not there again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Shown all the while: a set without it would have been the next to come.
    mine.register(&node("empty", 2), TTL).await.unwrap();
    comes_within(&mut updates, &["empty-1", "empty-2"], EVENT_TIMEOUT).await;
    mine.deregister(&node("empty", 1)).await.unwrap();
    comes_within(&mut updates, &["empty-2"], EVENT_TIMEOUT).await;
}

#[tokio::test]
async fn node_deregistered_during_an_outage_stays_away() {
    let Some(mut server) = started().await else {
        return;
    };
    let registry = open(&server.address());
    registry.register(&node("left", 1), TTL).await.unwrap();
    server.kill();
    let error = registry.deregister(&node("left", 1)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    server.empty();
    server.start(own::is_ready).await;
    // Whatever would tell the server again comes within a second of the connection.
    registry.register(&node("left", 2), TTL).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ids(&registry.get("left").await.unwrap()), ["left-2"]);
}

#[tokio::test]
async fn hung_server_is_detected_and_used_again() {
    let Some(server) = started().await else {
        return;
    };
    let registry = open(&server.address());
    registry.register(&node("hung", 1), TTL).await.unwrap();
    let mut updates = registry.watch(Some("hung")).await.unwrap();
    until(&mut updates, &["hung-1"]).await;
    server.hang();
    let begun = Instant::now();
    timeout(Duration::from_secs(15), stale(&mut updates))
        .await
        .expect("the loss is noticed");
    assert!(
        begun.elapsed() > Duration::from_secs(3),
        "not at the first delay"
    );
    let error = registry.get("hung").await.unwrap_err();
    assert!(error.to_string().contains("registry `etcd` at"), "{error}");
    server.go_on();
    registry.register(&node("hung", 2), TTL).await.unwrap();
    comes_within(&mut updates, &["hung-1", "hung-2"], EVENT_TIMEOUT).await;
}

#[tokio::test]
async fn watch_may_begin_before_the_server_does() {
    let Some(mut server) = own::alone(&[]) else {
        return;
    };
    let registry = open(&server.address());
    let mut updates = registry.watch(Some("early")).await.unwrap();
    timeout(EVENT_TIMEOUT, stale(&mut updates))
        .await
        .expect("the loss is noticed");
    let begun = Instant::now();
    let error = registry.register(&node("early", 1), TTL).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "at once, as it refuses"
    );
    server.start(own::is_ready).await;
    registry.register(&node("early", 1), TTL).await.unwrap();
    comes_within(&mut updates, &["early-1"], EVENT_TIMEOUT).await;
}

/// The address of the member that leads.
fn leader(members: &[Server]) -> usize {
    let status = |member: &Server| {
        own::post(
            &member.address(),
            "/v3/maintenance/status",
            serde_json::json!({}),
        )
    };
    let id = |answer: &serde_json::Value| answer["header"]["member_id"].clone();
    let is_leader = |member: &Server| {
        let answer = status(member);
        answer["leader"] == id(&answer)
    };
    members.iter().position(is_leader).unwrap()
}

#[tokio::test]
async fn killed_or_hung_leader_is_replaced() {
    let Some(mut members) = own::cluster() else {
        return;
    };
    let [one, two, three] = &mut members;
    tokio::join!(
        one.start(own::is_ready),
        two.start(own::is_ready),
        three.start(own::is_ready)
    );
    let addresses = members.each_ref().map(Server::address).join(",");
    // As many handles that each member has some of their connections.
    let handles: Vec<_> = (0..6).map(|_| open(&addresses)).collect();
    let mut watches = Vec::new();
    let mut expected = Vec::new();
    for (number, handle) in (1..).zip(&handles) {
        let node = node("leaderless", number);
        handle.register(&node, TTL).await.unwrap();
        expected.push(node.id);
        watches.push(handle.watch(Some("leaderless")).await.unwrap());
    }
    for round in 7..9 {
        let ids: Vec<_> = expected.iter().map(String::as_str).collect();
        for updates in &mut watches {
            comes_within(updates, &ids, EVENT_TIMEOUT).await;
        }
        let leader = leader(&members);
        match round {
            7 => members[leader].kill(),
            _ => members[leader].hang(),
        }
        // Services renew, and try again each second where that fails.
        for (number, handle) in (1..).zip(&handles) {
            let begun = Instant::now();
            while let Err(error) = handle.register(&node("leaderless", number), TTL).await {
                assert!(begun.elapsed() < Duration::from_secs(15), "{error}");
            }
        }
        let more = node("leaderless", round);
        handles[0].register(&more, TTL).await.unwrap();
        expected.push(more.id);
        let ids: Vec<_> = expected.iter().map(String::as_str).collect();
        for updates in &mut watches {
            comes_within(updates, &ids, Duration::from_secs(20)).await;
        }
        match round {
            7 => members[leader].start(own::is_ready).await,
            _ => members[leader].go_on(),
        }
        handles[1]
            .register(&node("leaderless", round + 10), TTL)
            .await
            .unwrap();
        expected.push(node("leaderless", round + 10).id);
        expected.sort();
    }
    // Most are gone: who asks now is told what the last member knows; it may have been hung a moment ago.
    let last = open(&members[2].address());
    let caught_up = async {
        let all = |found: Vec<Node>| found.len() == expected.len();
        while !last.get("leaderless").await.is_ok_and(all) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(EVENT_TIMEOUT, caught_up).await.unwrap();
    members[0].kill();
    members[1].kill();
    let cold = open(&addresses);
    assert_eq!(cold.get("leaderless").await.unwrap().len(), expected.len());
    let error = cold
        .register(&node("leaderless", 99), TTL)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
}

/// Sets or lifts the alarm that a full database raises.
fn alarm(address: &str, action: &str) {
    let status = own::post(address, "/v3/maintenance/status", json!({}));
    let member = &status["header"]["member_id"];
    let alarm = json!({"action": action, "memberID": member, "alarm": "NOSPACE"});
    own::post(address, "/v3/maintenance/alarm", alarm);
}

#[tokio::test]
async fn service_starts_on_a_full_server_and_registers_later() {
    let Some(server) = started().await else {
        return;
    };
    let address = server.address();
    alarm(&address, "ACTIVATE");
    let registry = open(&address);
    let error = registry.register(&node("other", 1), TTL).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    let service = Service::new("full")
        .address("127.0.0.1:0")
        .plugins(Plugins::new().registry(registry));
    let running = service.serve().await.unwrap();
    let client = running.client();
    let health = async || {
        let health = client.method::<Value, Value>("full", "Debug.Health");
        let asked = health.call(&Context::new(), Value::Null);
        asked.address(&running.node().address).await.unwrap()
    };
    let said = health().await;
    assert_eq!(
        (&said["ready"], &said["registered"]),
        (&true.into(), &false.into())
    );
    let reason = said["reason"].as_str().unwrap();
    assert_eq!(
        reason, "resource_exhausted",
        "the error itself is for the log"
    );
    alarm(&address, "DEACTIVATE");
    let registered = timeout(EVENT_TIMEOUT, async {
        while health().await["registered"] != true {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    registered.await.expect("it registers");
    assert_eq!(open(&address).get("full").await.unwrap().len(), 1);
    running.stop().await;
}
