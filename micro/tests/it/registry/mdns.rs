//! Multicast DNS, in a network of its own.

use std::{process::Command, sync::Arc, time::Duration};

use micro::registry::{Mdns, Node, Registry, contract};

use super::until;

/// Loopback alone, which is no multicast interface by itself.
const LOOPBACK: &str = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo";
/// A pair of interfaces with IPv6 alone.
const IPV6: &str = "ip link add v0 type veth peer name v1 && ip link set v0 addrgenmode none up && \
    ip link set v1 addrgenmode none up && ip -6 addr add fe80::1/64 dev v0 nodad";

/// Runs those of the tests below that begin so in a network of their own, which `network` sets up; says so where
/// that is not permitted.
fn inside(network: &str, tests: &str, passed: &str) {
    let script = format!("{network} && exec \"$@\"");
    let run = |program: &str, arguments: &[&str]| {
        Command::new("unshare")
            .args(["-rn", "sh", "-c", &script, "-", program])
            .args(arguments)
            .output()
    };
    if !run("true", &[]).is_ok_and(|output| output.status.success()) {
        crate::skip::skip("mDNS", "this system permits no such network namespace");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let tests = format!("registry::mdns::{tests}");
    let arguments = ["--ignored", "--test-threads=1", &tests];
    let output = run(own.to_str().unwrap(), &arguments).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(passed), "{said}");
}

#[test]
fn mdns_keeps_the_contract_in_a_network_of_its_own() {
    inside(LOOPBACK, "inside", "4 passed");
}

#[test]
fn mdns_needs_no_ipv4() {
    inside(IPV6, "inside_nodes_leave", "1 passed");
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
