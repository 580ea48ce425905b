//! A list of nodes in place of a registry, as `--registry=static:…` names it.

use std::sync::Arc;

use micro::{
    Code,
    registry::{Node, Registry, Static, Update},
    settings::Url,
};

use super::{ids, next, next_set};

fn open(url: &str) -> micro::Result<Static> {
    Static::open(&Url::parse(url))
}

#[tokio::test]
async fn services_are_found_as_they_are_listed() {
    let registry =
        open("static:greeter=10.0.0.1:80+[fe80::1]:81,users=unix:/run/a%2Bb.sock,greeter=h:82")
            .unwrap();
    assert_eq!(registry.list().await.unwrap(), ["greeter", "users"]);
    let nodes = registry.get("greeter").await.unwrap();
    let addresses: Vec<_> = nodes.iter().map(|node| &*node.address).collect();
    assert_eq!(addresses, ["10.0.0.1:80", "[fe80::1]:81", "h:82"]);
    assert_eq!(nodes[0].id, "greeter-10.0.0.1:80");
    assert_eq!(
        registry.get("users").await.unwrap()[0].address,
        "unix:/run/a+b.sock"
    );
    assert!(registry.get("others").await.unwrap().is_empty());
}

#[tokio::test]
async fn metadata_is_for_all_or_for_one_and_the_version_is_the_nodes() {
    let url = "static:a=h:1~weight=10~zone=w%7E1+h:2~protocol=mucp?protocol=grpc&version=1.2.0";
    let nodes = open(url).unwrap().get("a").await.unwrap();
    assert_eq!((nodes[0].weight(), nodes[1].weight()), (10, 100));
    assert_eq!(nodes[0].metadata["zone"], "w~1");
    assert_eq!(nodes[0].metadata["protocol"], "grpc");
    assert_eq!(nodes[1].metadata["protocol"], "mucp");
    assert!(nodes.iter().all(|node| node.version == "1.2.0"));
    assert!(!nodes[0].metadata.contains_key("version"));
}

#[tokio::test]
async fn what_is_not_listed_may_be_found_by_its_name() {
    let registry = open("static:a=h:1?domain=svc.cluster.local&port=90&protocol=grpc").unwrap();
    let nodes = registry.get("greeter").await.unwrap();
    assert_eq!(nodes[0].address, "greeter.svc.cluster.local:90");
    assert_eq!(nodes[0].metadata["protocol"], "grpc");
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    assert_eq!(next_set(&mut updates).await, (nodes, true));
    assert_eq!(registry.get("a").await.unwrap()[0].address, "h:1");
    assert!(registry.get("topic:orders").await.unwrap().is_empty());
    assert_eq!(registry.list().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn without_a_list_each_service_is_at_its_own_name() {
    if std::env::var_os("STATIC_SELECTOR_DOMAIN_NAME").is_some() {
        crate::skip::skip("go-micro's static selector", "its variables are set");
        return;
    }
    let node = &open("static").unwrap().get("greeter").await.unwrap()[0];
    assert_eq!(node.address, "greeter:8080");
}

#[tokio::test]
async fn watch_reports_the_list_once_and_others_without_authority() {
    let registry = open("static:a=h:1+h:2,b=h:3").unwrap();
    let mut updates = registry.watch(Some("a")).await.unwrap();
    let (nodes, authoritative) = next_set(&mut updates).await;
    assert_eq!((ids(&nodes), authoritative), (vec!["a-h:1", "a-h:2"], true));
    let more = std::future::poll_fn(|cx| {
        std::task::Poll::Ready(updates.as_mut().poll_next(cx).is_pending())
    });
    assert!(more.await, "nothing changes");
    let mut strange = registry.watch(Some("c")).await.unwrap();
    assert_eq!(next_set(&mut strange).await, (vec![], false));
    let mut all = registry.watch(None).await.unwrap();
    for expected in ["a", "b"] {
        let Update::Set { service, .. } = next(&mut all).await else {
            panic!("a set was expected");
        };
        assert_eq!(service, expected);
    }
}

#[tokio::test]
async fn service_runs_with_it_and_is_not_in_the_list() {
    let registry = Arc::new(open("static:users=h:1").unwrap());
    let node = Node::new("greeter", "greeter-1", "10.0.0.1:80");
    registry.register(&node, None).await.unwrap();
    assert!(registry.get("greeter").await.unwrap().is_empty());
    registry.deregister(&node).await.unwrap();
}

#[test]
fn what_is_not_understood_is_quoted() {
    for (url, reason) in [
        ("static:greeter", "`greeter` is not of the form `SERVICE="),
        (
            "static:a=h",
            "`h` of service `a` is not of the form `HOST:PORT`",
        ),
        ("static:a=h:1+", "`` of service `a`"),
        ("static:a=h:70000", "`h:70000`"),
        ("static:a=h:1~weight", "`weight` behind `h:1`"),
        ("static:a=h:1+h:1", "`a-h:1` of service `a` is listed twice"),
        (
            "static:a=0.0.0.0:1",
            "nothing can be reached at `0.0.0.0:1`",
        ),
        ("static:=h:1", "needs a service"),
        ("static:a=h:1?port=none", "port `none`"),
        ("static:a=h:1?token=x", "`token` after the `?`"),
    ] {
        let error = open(url).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{url}");
        assert!(error.to_string().contains(reason), "{url}: {error}");
    }
}
