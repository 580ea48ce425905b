//! Registries: the contract that all keep, and what is special in each.

pub(crate) mod backend;
#[cfg(all(feature = "consul", unix))]
mod consul;
#[cfg(all(feature = "dns", unix))]
mod dns;
#[cfg(all(feature = "etcd", unix))]
mod etcd;
mod instances;
#[cfg(feature = "kubernetes")]
mod kubernetes;
#[cfg(unix)]
mod local;
mod losses;
#[cfg(all(feature = "mdns", target_os = "linux"))]
mod mdns;
mod memory;
#[cfg(all(feature = "nats", unix))]
mod nats;
pub(crate) mod process;
#[cfg(unix)]
mod processes;
mod renewal;
#[cfg(unix)]
mod several;
mod static_list;
#[cfg(target_os = "linux")]
mod strangers;
#[cfg(all(feature = "zookeeper", unix))]
mod zookeeper;

use std::{borrow::Borrow, future::poll_fn, sync::Arc, time::Duration};

use micro::registry::{Node, Update, Updates};

/// The next update, waited for no longer than ten seconds.
async fn next(updates: &mut Updates) -> Update {
    tokio::time::timeout(
        Duration::from_secs(10),
        poll_fn(|cx| updates.as_mut().poll_next(cx)),
    )
    .await
    .expect("an update comes")
    .expect("the watch goes on")
}

/// The next set: its nodes and whether it is authoritative.
async fn next_set(updates: &mut Updates) -> (Vec<Node>, bool) {
    match next(updates).await {
        Update::Set {
            nodes,
            authoritative,
            ..
        } => (
            nodes.into_iter().map(Arc::unwrap_or_clone).collect(),
            authoritative,
        ),
        other => panic!("a set was expected, not {other:?}"),
    }
}

/// Waits for a set of exactly these ids.
async fn until(updates: &mut Updates, expected: &[&str]) -> bool {
    loop {
        let (nodes, authoritative) = next_set(updates).await;
        if ids(&nodes) == expected {
            return authoritative;
        }
    }
}

fn ids(nodes: &[impl Borrow<Node>]) -> Vec<&str> {
    let mut ids: Vec<_> = nodes.iter().map(|node| node.borrow().id.as_str()).collect();
    ids.sort_unstable();
    ids
}
