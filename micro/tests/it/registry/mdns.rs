//! Multicast DNS, in a network of its own.

use std::{process::Command, sync::Arc, time::Duration};

use micro::registry::{Mdns, Node, Registry, contract};

use super::until;

/// Runs the tests below that are ignored here in a network namespace; says so where that is not permitted.
#[test]
fn mdns_keeps_the_contract_in_a_network_of_its_own() {
    // Loopback is no multicast interface by itself.
    let script = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec \"$@\"";
    let permitted = Command::new("unshare")
        .args(["-rn", "sh", "-c", script, "-", "true"])
        .output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        eprintln!("skip: mDNS: this system permits no network namespaces");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-rn", "sh", "-c", script, "-"])
        .arg(own)
        .args(["--ignored", "--test-threads=1", "registry::mdns::inside"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("4 passed"), "{said}");
}

async fn make() -> Arc<dyn Registry> {
    Arc::new(Mdns::new())
}

#[tokio::test]
#[ignore = "run in a network of its own"]
async fn inside_mdns_keeps_the_contract() {
    contract::all(make).await;
}

#[tokio::test]
#[ignore = "run in a network of its own"]
async fn inside_nodes_expire() {
    contract::expiry(make, Duration::from_secs(2)).await;
}

#[tokio::test]
#[ignore = "run in a network of its own"]
async fn inside_nodes_leave_with_their_handle() {
    let mine = Mdns::new();
    let node = Node::new("leaving", "leaving-1", "127.0.0.1:4000");
    mine.register(&node, None).await.unwrap();
    let other = Mdns::new();
    let mut updates = other.watch(Some("leaving")).await.unwrap();
    until(&mut updates, &["leaving-1"]).await;
    drop(mine);
    assert!(until(&mut updates, &[]).await, "it said goodbye");
}

#[tokio::test]
#[ignore = "run in a network of its own"]
async fn inside_domains_are_kept_apart_unless_they_are_joined() {
    let old = Mdns::domains(["local"]);
    let node = Node::new("domains", "domains-1", "127.0.0.1:4000");
    old.register(&node, None).await.unwrap();
    assert!(Mdns::new().get("domains").await.unwrap().is_empty());
    let both = Mdns::domains(["micro", "local"]);
    assert_eq!(both.get("domains").await.unwrap(), [node]);
}
