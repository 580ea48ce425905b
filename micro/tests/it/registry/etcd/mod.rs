//! etcd, the real one: `tests/backends up etcd etcd-auth`.

mod outages;
mod own;
mod users;

use std::{sync::Arc, time::Duration};

use micro::{
    Code,
    registry::{Endpoint, Etcd, Node, Registry, Update, contract},
    settings::Url,
};
use tokio::time::timeout;

use super::{
    backend, ids,
    losses::{comes_within, stale},
    until,
};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

fn open(address: &str) -> Etcd {
    Etcd::open(&Url::parse(&format!("etcd://{address}"))).unwrap()
}

fn node(service: &str, number: u32) -> Node {
    Node::new(
        service,
        format!("{service}-{number}"),
        format!("10.0.0.1:{number}"),
    )
}

/// A name that no other run uses.
fn unique(name: &str) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{name}-{:x}", since.unwrap().as_nanos())
}

#[tokio::test]
async fn etcd_keeps_the_contract() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    contract::all(async || Arc::new(open(&address)) as Arc<dyn Registry>).await;
}

#[tokio::test]
async fn etcd_nodes_expire() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    let make = async || Arc::new(open(&address)) as Arc<dyn Registry>;
    contract::expiry(make, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn deregistered_node_differs_from_an_expired_one() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    let service = unique("leaving");
    let (mine, other) = (open(&address), open(&address));
    let (first, second) = (node(&service, 1), node(&service, 2));
    mine.register(&first, TTL).await.unwrap();
    let dying = open(&address);
    dying
        .register(&second, Some(Duration::from_secs(2)))
        .await
        .unwrap();
    let mut updates = other.watch(Some(&service)).await.unwrap();
    until(&mut updates, &[&first.id, &second.id]).await;
    drop(dying);
    until(&mut updates, &[&first.id]).await;
    let begun = std::time::SystemTime::now();
    mine.deregister(&first).await.unwrap();
    assert!(until(&mut updates, &[]).await, "it is believed");
    assert!(begun.elapsed().unwrap() < Duration::from_secs(1), "at once");
}

#[tokio::test]
async fn two_fleets_share_a_server_and_do_not_see_each_other() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    let service = unique("fleets");
    let (blue, green) = (
        open(&format!("{address}?namespace=blue")),
        open(&format!("{address}?namespace=green")),
    );
    blue.register(&node(&service, 1), TTL).await.unwrap();
    assert!(green.get(&service).await.unwrap().is_empty());
    assert!(open(&address).get(&service).await.unwrap().is_empty());
    assert!(!green.list().await.unwrap().contains(&service));
    assert!(blue.list().await.unwrap().contains(&service));
    blue.deregister(&node(&service, 1)).await.unwrap();
}

#[tokio::test]
async fn names_with_a_slash_share_no_key_and_go_micros_are_found() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    let slash = unique("a/b");
    let flat = slash.replace('/', "-");
    let registry = open(&address);
    let (one, two) = (
        Node::new(&slash, format!("{slash}-1"), "h:1"),
        Node::new(&flat, format!("{flat}-1"), "h:2"),
    );
    registry.register(&one, TTL).await.unwrap();
    registry.register(&two, TTL).await.unwrap();
    assert_eq!(ids(&registry.get(&slash).await.unwrap()), [&*one.id]);
    assert_eq!(ids(&registry.get(&flat).await.unwrap()), [&*two.id]);
    let listed = registry.list().await.unwrap();
    assert!(listed.contains(&slash) && listed.contains(&flat));
    registry.deregister(&two).await.unwrap();
    // As go-micro writes it.
    let theirs = Node::new(&slash, format!("{slash}-9"), "h:9");
    let key = format!("/micro/registry/{flat}/{flat}-9");
    own::put(&address, &key, &micro::registry::encoding::encode(&theirs));
    assert_eq!(registry.get(&slash).await.unwrap().len(), 2);
    registry.deregister(&theirs).await.unwrap();
    assert_eq!(ids(&registry.get(&slash).await.unwrap()), [&*one.id]);
    registry.deregister(&one).await.unwrap();
}

#[tokio::test]
async fn invalid_records_do_not_affect_others() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    let service = unique("hostile");
    let registry = open(&address);
    let mut updates = registry.watch(Some(&service)).await.unwrap();
    until(&mut updates, &[]).await;
    let good = node(&service, 1);
    let write = |id: &str, value: &[u8]| {
        own::put(&address, &format!("/micro/registry/{service}/{id}"), value);
    };
    let encode = micro::registry::encoding::encode;
    write("no-json", b"\xff{");
    write("empty", b"");
    write(
        "nowhere",
        &encode(&Node::new(&service, "nowhere", "0.0.0.0:0")),
    );
    write("control", &encode(&Node::new(&service, "con\ttrol", "h:1")));
    write(
        "large",
        &encode(&node(&service, 2).with_metadata("k", "x".repeat(1_000_000))),
    );
    write("alien", &encode(&Node::new("another", "another-1", "h:1")));
    write("deep/er", &encode(&node(&service, 3)));
    registry.register(&good, TTL).await.unwrap();
    let deep = node(&service, 3).id;
    until(&mut updates, &[&good.id, &deep]).await;
    assert_eq!(
        ids(&registry.get(&service).await.unwrap()),
        [&*good.id, &deep]
    );
    let all = poll_until(&registry, &service).await;
    assert_eq!(all, [&*good.id, &deep]);
    own::delete(&address, &format!("/micro/registry/{service}/"));
    until(&mut updates, &[]).await;
}

/// The ids of a service in a watch of all.
async fn poll_until(registry: &Etcd, service: &str) -> Vec<String> {
    let mut updates = registry.watch(None).await.unwrap();
    loop {
        if let Update::Set {
            service: of, nodes, ..
        } = super::next(&mut updates).await
            && of == service
        {
            return ids(&nodes).into_iter().map(str::to_owned).collect();
        }
    }
}

#[tokio::test]
async fn record_that_etcd_cannot_hold_is_refused() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    for size in [1_600_000, 3_000_000] {
        let mut endpoint = Endpoint::new("Large.Endpoint");
        endpoint.metadata.insert("schema".into(), "x".repeat(size));
        let large = node("large", 1).with_endpoints([endpoint]);
        let error = open(&address).register(&large, TTL).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(
            error
                .to_string()
                .contains("the record is larger than etcd takes"),
            "{error}"
        );
    }
}

#[test]
fn handle_outlives_several_runtimes() {
    let Some(address) = backend::server("etcd") else {
        return;
    };
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let service = unique("runtimes");
    let registry = open(&address);
    for number in 1..4 {
        let own = runtime();
        own.block_on(registry.register(&node(&service, number), TTL))
            .unwrap();
        assert_eq!(
            own.block_on(registry.get(&service)).unwrap().len() as u32,
            number
        );
    }
    // The last connection belongs to a runtime that stands still, though it has not ended.
    let idle = runtime();
    idle.block_on(registry.get(&service)).unwrap();
    let own = runtime();
    own.block_on(async {
        let mut updates = registry.watch(Some(&service)).await.unwrap();
        let expected = [1, 2, 3].map(|number| node(&service, number).id);
        let expected = expected.each_ref().map(String::as_str);
        comes_within(&mut updates, &expected, Duration::from_secs(20)).await;
        for number in 1..4 {
            registry.deregister(&node(&service, number)).await.unwrap();
        }
    });
}

#[tokio::test]
async fn nothing_is_left_behind_when_the_last_handle_goes() {
    let Some(mut server) = own::alone(&[]) else {
        return;
    };
    server.start(own::is_ready).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let registry = open(&server.address());
    registry.register(&node("leak", 1), TTL).await.unwrap();
    let mut updates = registry.watch(Some("leak")).await.unwrap();
    until(&mut updates, &["leak-1"]).await;
    assert!(connections(server.port()) > 0);
    drop((registry, updates));
    timeout(Duration::from_secs(5), async {
        while tasks() > before || connections(server.port()) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("tasks and connections end");
}

/// How many connections this process has to a port of this machine.
fn connections(port: u16) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let ours: Vec<_> = links.map(|link| link.display().to_string()).collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let there = format!("0100007F:{port:04X}");
    let is_ours = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2] == there && ours.contains(&format!("socket:[{}]", fields[9]))
    };
    table.lines().skip(1).filter(is_ours).count()
}
