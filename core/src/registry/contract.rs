//! The contract suite of registries, which each implementation runs in its tests. Needs the feature `test-util`.
//!
//! ```
//! use std::sync::Arc;
//! use micro::registry::{Memory, Registry, contract};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let registry = Memory::new();
//! contract::all(async || Arc::new(registry.clone()) as Arc<dyn Registry>).await;
//! # }
//! ```
//!
//! `make` returns a new handle to the same registry each time, as another process would have.
//! Panics with the broken rule. Service names are the suite's own, so that a registry in use can be tested, too.

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Registry, Update, Updates};
use crate::{
    error::Code,
    node::{Endpoint, Node, Value},
};

/// A time to live that exceeds any test.
const LONG: Option<Duration> = Some(Duration::from_secs(60));
/// How long a change may take to appear.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks every rule except those of time.
pub async fn all(make: impl AsyncFn() -> Arc<dyn Registry>) {
    let make = &make;
    what_is_registered_is_found_whole(make().await, make().await).await;
    odd_names_are_kept_apart(make().await, make().await).await;
    registering_again_replaces(make().await, make().await).await;
    deregistering_takes_out_and_is_no_error_twice(make().await, make().await).await;
    any_handle_deregisters(make().await, make().await).await;
    another_instance_keeps_its_record(make().await, make().await, make().await).await;
    services_are_listed_sorted_without_the_empty(make().await, make().await).await;
    a_watch_says_what_is_and_what_becomes(make().await, make().await).await;
    a_watch_of_all_tells_services_apart(make().await, make().await).await;
    a_changed_node_is_told(make().await, make().await).await;
    an_unwatched_change_is_in_the_next_set(make().await, make().await).await;
}

/// Checks the rules of time: a node that is not renewed is removed after `ttl`, one that is renewed stays.
pub async fn expiry(make: impl AsyncFn() -> Arc<dyn Registry>, ttl: Duration) {
    let (registrant, reader) = (make().await, make().await);
    let service = unique("expiry");
    let renewed = Node::new(&*service, "renewed", "10.0.0.1:1");
    let forgotten = Node::new(&*service, "forgotten", "10.0.0.1:2");
    let lasting = Node::new(&*service, "lasting", "10.0.0.1:3");
    register(&*registrant, &renewed, Some(ttl)).await;
    register(&*registrant, &forgotten, Some(ttl)).await;
    register(&*registrant, &lasting, None).await;
    let mut updates = watch(&*reader, Some(&service)).await;
    until(&mut updates, &service, |ids, _| ids.len() == 3).await;
    for _ in 0..8 {
        tokio::time::sleep(ttl / 3).await;
        register(&*registrant, &renewed, Some(ttl)).await;
    }
    until(&mut updates, &service, |ids, _| {
        ids == ["lasting", "renewed"]
    })
    .await;
    tokio::time::sleep(ttl * 2).await;
    assert_eq!(ids(&*reader, &service).await, ["lasting"], "unrenewed");
    deregister(&*registrant, &lasting).await;
}

async fn what_is_registered_is_found_whole(
    registrant: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let service = unique("whole");
    let mut hello = Endpoint::new("Greeter.Hello");
    let name = Value::new("name", "string");
    hello.request = Some(Value::new("Hello", "object").with_values(vec![name]));
    hello.metadata.insert("idempotent".into(), "true".into());
    let full = Node::new(&*service, format!("{service}-1"), "10.0.0.1:80")
        .with_version("1.2.0")
        .with_metadata("zone", "west \"1\"")
        .with_endpoints([hello, Endpoint::new("Greeter.Bye")]);
    let bare = Node::new(&*service, format!("{service}-2"), "[::1]:80");
    register(&*registrant, &full, LONG).await;
    register(&*registrant, &bare, None).await;
    let found = nodes(&*reader, &service).await;
    assert_eq!(found, [full.clone(), bare.clone()], "found as registered");
    deregister(&*registrant, &full).await;
    deregister(&*registrant, &bare).await;
}

async fn odd_names_are_kept_apart(registrant: Arc<dyn Registry>, reader: Arc<dyn Registry>) {
    let service = unique("odd");
    let long = "n".repeat(300);
    let names = [
        format!("topic:{service}/a"),
        format!("topic:{service}.a"),
        format!("{service}/../a"),
        format!("{service} ünï+%2f"),
        format!("{service}-{long}1"),
        format!("{service}-{long}2"),
    ];
    for name in &names {
        register(
            &*registrant,
            &Node::new(name, format!("{name}-1"), "h:1"),
            LONG,
        )
        .await;
    }
    for name in &names {
        assert_eq!(
            ids(&*reader, name).await,
            [format!("{name}-1")],
            "of `{name}`"
        );
        deregister(&*registrant, &Node::new(name, format!("{name}-1"), "h:1")).await;
        assert!(
            ids(&*reader, name).await.is_empty(),
            "of `{name}` after it left"
        );
    }
}

async fn registering_again_replaces(registrant: Arc<dyn Registry>, reader: Arc<dyn Registry>) {
    let service = unique("again");
    let node = Node::new(&*service, "one", "10.0.0.1:1");
    for weight in ["100", "100", "10"] {
        let node = node.clone().with_metadata("weight", weight);
        register(&*registrant, &node, LONG).await;
        assert_eq!(nodes(&*reader, &service).await, [node]);
    }
    register(&*registrant, &node, None).await;
    assert_eq!(
        nodes(&*reader, &service).await,
        std::slice::from_ref(&node),
        "now lasting"
    );
    register(&*registrant, &node, LONG).await;
    assert_eq!(
        nodes(&*reader, &service).await,
        std::slice::from_ref(&node),
        "now mortal"
    );
    deregister(&*registrant, &node).await;
    assert!(
        ids(&*reader, &service).await.is_empty(),
        "no older record shows through"
    );
}

async fn deregistering_takes_out_and_is_no_error_twice(
    registrant: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let service = unique("leave");
    let one = Node::new(&*service, "one", "10.0.0.1:1");
    let two = Node::new(&*service, "two", "10.0.0.1:2");
    register(&*registrant, &one, LONG).await;
    register(&*registrant, &two, None).await;
    deregister(&*registrant, &one).await;
    assert_eq!(ids(&*reader, &service).await, ["two"]);
    deregister(&*registrant, &one).await;
    deregister(&*registrant, &two).await;
    assert!(ids(&*reader, &service).await.is_empty());
    register(&*registrant, &one, LONG).await;
    assert_eq!(ids(&*reader, &service).await, ["one"], "it may come back");
    deregister(&*registrant, &one).await;
}

async fn any_handle_deregisters(registrant: Arc<dyn Registry>, other: Arc<dyn Registry>) {
    let service = unique("other");
    let lasting = Node::new(&*service, "lasting", "10.0.0.1:1");
    register(&*registrant, &lasting, None).await;
    deregister(&*other, &lasting).await;
    assert!(ids(&*registrant, &service).await.is_empty());
}

/// Two instances have one id, as in a rolling update with fixed ids: the newer one has the record, and the older one
/// receives an error and neither replaces nor removes it.
async fn another_instance_keeps_its_record(
    older: Arc<dyn Registry>,
    newer: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let service = unique("instances");
    let at = |address| Node::new(&*service, "one", address);
    let (first, second) = (at("10.0.0.1:1"), at("10.0.0.2:2"));
    let only = std::slice::from_ref::<Node>;
    register(&*older, &first, LONG).await;
    let mut updates = watch(&*reader, Some(&service)).await;
    shows(&mut updates, &service, &first).await;
    register(&*newer, &second, LONG).await;
    shows(&mut updates, &service, &second).await;
    assert_eq!(nodes(&*reader, &service).await, only(&second));
    let renewed = older.register(&first, LONG).await;
    let error = renewed.expect_err("the older instance is told of the newer one");
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
    assert_eq!(error.reason().as_deref(), Some("ID_IN_USE"), "{error}");
    assert!(error.message().contains(&second.address), "{error}");
    deregister(&*older, &first).await;
    assert_eq!(nodes(&*reader, &service).await, only(&second));
    let renewed = second.clone().with_metadata("weight", "5");
    register(&*newer, &renewed, LONG).await;
    shows(&mut updates, &service, &renewed).await;
    assert_eq!(nodes(&*reader, &service).await, only(&renewed));
    // A node at another address that no handle knows is not this one either.
    deregister(&*reader, &first).await;
    assert_eq!(nodes(&*reader, &service).await, only(&renewed));
    deregister(&*newer, &renewed).await;
    until(&mut updates, &service, |ids, _| ids.is_empty()).await;
    register(&*older, &first, LONG).await;
    shows(&mut updates, &service, &first).await;
    deregister(&*older, &first).await;
}

/// Waits until a watch shows this node alone, and never fewer than one before.
async fn shows(updates: &mut Updates, service: &str, node: &Node) {
    let mut has_begun = false;
    loop {
        let set = until(updates, service, |_, _| true).await;
        has_begun |= !set.is_empty();
        assert!(!set.is_empty() || !has_begun, "`{service}` has no node");
        if let [one] = &*set
            && **one == *node
        {
            return;
        }
    }
}

async fn services_are_listed_sorted_without_the_empty(
    registrant: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let prefix = unique("list");
    let services = ["b", "a", "c"].map(|name| format!("{prefix}-{name}"));
    for service in &services {
        for id in ["one", "two"] {
            register(&*registrant, &Node::new(service, id, "h:1"), LONG).await;
        }
    }
    let mut expected = services.to_vec();
    expected.sort();
    assert_eq!(listed(&*reader, &prefix).await, expected);
    for service in &services {
        for id in ["one", "two"] {
            deregister(&*registrant, &Node::new(service, id, "h:1")).await;
        }
    }
    assert!(listed(&*reader, &prefix).await.is_empty());
}

async fn a_watch_says_what_is_and_what_becomes(
    registrant: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let service = unique("watch");
    let one = Node::new(&*service, "one", "10.0.0.1:1");
    let two = Node::new(&*service, "two", "10.0.0.1:2");
    let mut early = watch(&*reader, Some(&service)).await;
    until(&mut early, &service, |ids, authoritative| {
        ids.is_empty() && !authoritative
    })
    .await;
    register(&*registrant, &one, LONG).await;
    until(&mut early, &service, |ids, _| ids == ["one"]).await;
    register(&*registrant, &two, LONG).await;
    until(&mut early, &service, |ids, _| ids == ["one", "two"]).await;
    let mut late = watch(&*reader, Some(&service)).await;
    until(&mut late, &service, |ids, _| ids == ["one", "two"]).await;
    deregister(&*registrant, &one).await;
    deregister(&*registrant, &two).await;
    for updates in [&mut early, &mut late] {
        until(updates, &service, |ids, authoritative| {
            ids.is_empty() && authoritative
        })
        .await;
    }
}

async fn a_watch_of_all_tells_services_apart(
    registrant: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let (a, b) = (unique("all-a"), unique("all-b"));
    let nodes = [Node::new(&*a, "one", "h:1"), Node::new(&*b, "two", "h:2")];
    register(&*registrant, &nodes[0], LONG).await;
    let mut updates = watch(&*reader, None).await;
    until(&mut updates, &a, |ids, _| ids == ["one"]).await;
    register(&*registrant, &nodes[1], LONG).await;
    until(&mut updates, &b, |ids, _| ids == ["two"]).await;
    for node in &nodes {
        deregister(&*registrant, node).await;
        until(&mut updates, &node.service, |ids, authoritative| {
            ids.is_empty() && authoritative
        })
        .await;
    }
}

async fn a_changed_node_is_told(registrant: Arc<dyn Registry>, reader: Arc<dyn Registry>) {
    let service = unique("change");
    let node = Node::new(&*service, "one", "10.0.0.1:1");
    register(&*registrant, &node, LONG).await;
    let mut updates = watch(&*reader, Some(&service)).await;
    until(&mut updates, &service, |ids, _| ids == ["one"]).await;
    register(
        &*registrant,
        &node.clone().with_metadata("weight", "5"),
        LONG,
    )
    .await;
    let set = until(&mut updates, &service, |ids, _| ids == ["one"]).await;
    assert_eq!(set[0].weight(), 5);
    deregister(&*registrant, &node).await;
}

async fn an_unwatched_change_is_in_the_next_set(
    registrant: Arc<dyn Registry>,
    reader: Arc<dyn Registry>,
) {
    let service = unique("coalesce");
    let mut updates = watch(&*reader, Some(&service)).await;
    let nodes: Vec<_> = (0..20)
        .map(|number| Node::new(&*service, format!("{number:02}"), "h:1"))
        .collect();
    for node in &nodes {
        register(&*registrant, node, LONG).await;
    }
    until(&mut updates, &service, |ids, _| ids.len() == nodes.len()).await;
    for node in &nodes {
        deregister(&*registrant, node).await;
    }
    until(&mut updates, &service, |ids, _| ids.is_empty()).await;
}

/// Waits for a set of `service` for which `is_expected` holds, given its sorted ids and authority.
async fn until(
    updates: &mut Updates,
    service: &str,
    is_expected: impl Fn(&[&str], bool) -> bool,
) -> Vec<Arc<Node>> {
    let mut last = String::from("nothing");
    let waited = tokio::time::timeout(EVENT_TIMEOUT, async {
        loop {
            let update = poll_fn(|cx| updates.as_mut().poll_next(cx)).await;
            match update.expect("a watch ends only with its registry") {
                Update::Set {
                    service: of,
                    nodes,
                    authoritative,
                } if of == service => {
                    let mut ids: Vec<_> = nodes.iter().map(|node| node.id.as_str()).collect();
                    ids.sort_unstable();
                    last = format!("{ids:?}, authoritative {authoritative}");
                    if is_expected(&ids, authoritative) {
                        return nodes;
                    }
                }
                Update::Set { .. } => {}
                Update::Stale { error, .. } => last = error.to_string(),
            }
        }
    })
    .await;
    waited.unwrap_or_else(|_| panic!("the expected set of `{service}` never came, but {last}"))
}

fn unique(rule: &str) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let number = since.unwrap_or_default().as_nanos();
    format!("contract-{rule}-{number:x}")
}

async fn register(registry: &dyn Registry, node: &Node, ttl: Option<Duration>) {
    registry
        .register(node, ttl)
        .await
        .expect("a node is registered");
}

async fn deregister(registry: &dyn Registry, node: &Node) {
    registry
        .deregister(node)
        .await
        .expect("a node is deregistered");
}

async fn watch(registry: &dyn Registry, service: Option<&str>) -> Updates {
    registry.watch(service).await.expect("a watch begins")
}

async fn nodes(registry: &dyn Registry, service: &str) -> Vec<Node> {
    let mut nodes = registry.get(service).await.expect("a service is read");
    nodes.sort_by(|a, b| a.id.cmp(&b.id));
    nodes
}

async fn ids(registry: &dyn Registry, service: &str) -> Vec<String> {
    nodes(registry, service)
        .await
        .into_iter()
        .map(|node| node.id)
        .collect()
}

async fn listed(registry: &dyn Registry, prefix: &str) -> Vec<String> {
    let services = registry.list().await.expect("services are listed");
    assert!(services.is_sorted(), "the list is sorted");
    services
        .into_iter()
        .filter(|name| name.starts_with(prefix))
        .collect()
}
