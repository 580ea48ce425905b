//! Consul: the contract on the shared server, and what is special to it on servers of the tests' own.

mod agents;
mod outages;
mod secrets;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use micro::{
    Code,
    registry::{Consul, Node, Registry, contract},
    settings::Url,
};

use super::{
    backend, ids,
    process::{self, Server},
    until,
};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

fn registry(url: &str) -> Consul {
    Consul::open(&Url::parse(url)).unwrap()
}

fn node(id: &str) -> Node {
    Node::new("greeter", id, "127.0.0.1:80")
}

/// A Consul of this test's own, with these settings more; nothing where none is built.
fn own(more: &serde_json::Value) -> Option<Server> {
    let program = process::built("consul")?;
    let server = Server::new(|folder, http| {
        let [server, lan, wan] = [(); 3].map(|()| process::port());
        let mut settings = serde_json::json!({
            "node_name": format!("node-{http}"), "data_dir": folder.join("data"),
            "server": true, "bootstrap_expect": 1,
            "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "performance": { "raft_multiplier": 1 },
            "ports": { "http": http, "server": server, "serf_lan": lan, "serf_wan": wan,
                       "dns": -1, "grpc": -1, "grpc_tls": -1 },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            match (settings.get_mut(key), value) {
                (Some(serde_json::Value::Object(inner)), serde_json::Value::Object(more)) => {
                    inner.extend(more.clone());
                }
                _ => settings[key] = value.clone(),
            }
        }
        let file = folder.join("consul.json");
        std::fs::write(&file, settings.to_string()).unwrap();
        vec![program, format!("-config-file={}", file.display())]
    });
    Some(server)
}

/// The answer to a request without TLS, head and body; empty when there is none.
fn http(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut said = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let timeout = Some(Duration::from_secs(5));
        stream.set_read_timeout(timeout).unwrap();
        if stream.write_all(request.as_bytes()).is_ok() {
            // Cut off is not ready, either.
            let _ = stream.read_to_string(&mut said);
        }
    }
    said
}

/// Whether the server has a leader, and so can be written to.
fn leads(address: &str) -> bool {
    http(address, "GET", "/v1/status/leader", "").contains("\"127.0.0.1:")
}

#[tokio::test]
async fn consul_keeps_the_contract() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let make = async || Arc::new(registry(&format!("consul://{address}"))) as Arc<dyn Registry>;
    contract::all(make).await;
}

#[tokio::test]
async fn nodes_of_consul_expire() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let url = format!("consul://{address}?namespace=expiry");
    let make = async || Arc::new(registry(&url)) as Arc<dyn Registry>;
    contract::expiry(make, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn who_comes_back_after_its_time_to_live_is_shown_at_once() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let named = || registry(&format!("consul://{address}?namespace=returning"));
    let before = named();
    let short = Some(Duration::from_secs(1));
    before.register(&node("greeter-1"), short).await.unwrap();
    let expired = async {
        while !before.get("greeter").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), expired);
    waited.await.expect("it expires");
    let after = named();
    after.register(&node("greeter-1"), short).await.unwrap();
    assert_eq!(ids(&after.get("greeter").await.unwrap()), ["greeter-1"]);
    after.deregister(&node("greeter-1")).await.unwrap();
}

#[tokio::test]
async fn consul_in_a_namespace_passes_the_contract() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let named = |name: &str| format!("consul://{address}?namespace={name}");
    let (east, west) = (registry(&named("east")), registry(&named("west")));
    let make = async || Arc::new(registry(&named("east"))) as Arc<dyn Registry>;
    contract::all(make).await;
    let mut updates = west.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &[]).await;
    east.register(&node("greeter-1"), TTL).await.unwrap();
    west.register(&node("greeter-2"), TTL).await.unwrap();
    until(&mut updates, &["greeter-2"]).await;
    assert_eq!(ids(&east.get("greeter").await.unwrap()), ["greeter-1"]);
    assert_eq!(west.list().await.unwrap(), ["greeter"]);
    west.deregister(&node("greeter-1")).await.unwrap();
    assert_eq!(ids(&east.get("greeter").await.unwrap()), ["greeter-1"]);
    east.deregister(&node("greeter-1")).await.unwrap();
    west.deregister(&node("greeter-2")).await.unwrap();
}

#[tokio::test]
async fn records_of_strangers_harm_no_other() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let strangers = [
        r#"{"ID":"stranger-1","Name":"stranger","Address":"10.0.0.1","Port":80}"#,
        r#"{"ID":"stranger-2","Name":"stranger","Address":"h","Port":1,"Tags":["v=a\u0007"]}"#,
        r#"{"ID":"stranger-3","Name":"stranger","Address":"h","Port":1,"Tags":["e","t-","v-zz","env-prod","e={"]}"#,
        r#"{"ID":"stranger-4","Name":"stranger","Address":"h\u0007","Port":1}"#,
    ];
    for stranger in strangers {
        let answer = http(&address, "PUT", "/v1/agent/service/register", stranger);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let registry = registry(&format!("consul://{address}"));
    let ours = Node::new("stranger", "stranger-5", "127.0.0.1:80").with_metadata("zone", "a");
    registry.register(&ours, TTL).await.unwrap();
    let mut updates = registry.watch(Some("stranger")).await.unwrap();
    let shown = ["stranger-1", "stranger-3", "stranger-5"];
    until(&mut updates, &shown).await;
    let nodes = registry.get("stranger").await.unwrap();
    assert_eq!(ids(&nodes), shown);
    assert!(nodes.contains(&ours));
    for number in 1..5 {
        let node = Node::new("stranger", format!("stranger-{number}"), "");
        registry.deregister(&node).await.unwrap();
    }
    registry.deregister(&ours).await.unwrap();
    until(&mut updates, &[]).await;
}

#[tokio::test]
async fn largest_allowed_record_is_stored_whole() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let registry = registry(&format!("consul://{address}"));
    let mut noise = 1u64;
    let mut value = String::new();
    while value.len() < 30_000 {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        value += &format!("{noise:x}");
    }
    let endpoint = |n| micro::registry::Endpoint::new(format!("Large.E{n}"));
    let node = Node::new("large", "large-1", "127.0.0.1:80")
        .with_metadata("a", &value)
        .with_metadata("b", &value)
        .with_endpoints((0..1000).map(endpoint).collect::<Vec<_>>());
    registry.register(&node, TTL).await.unwrap();
    assert!(registry.get("large").await.unwrap().contains(&node));
    registry.deregister(&node).await.unwrap();
    let error = registry
        .register(&node.with_metadata("c", value), TTL)
        .await;
    assert_eq!(error.unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn handle_serves_runtimes_that_come_and_go() {
    let Some(address) = backend::server("consul") else {
        return;
    };
    let registry = registry(&format!("consul://{address}?namespace=runtimes"));
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let mut early = first.block_on(registry.watch(Some("greeter"))).unwrap();
    first.block_on(async {
        until(&mut early, &[]).await;
        registry.register(&node("greeter-1"), TTL).await.unwrap();
        until(&mut early, &["greeter-1"]).await;
    });
    // The first one exists still, but nobody runs it.
    second.block_on(async {
        assert_eq!(registry.get("greeter").await.unwrap().len(), 1);
        registry.register(&node("greeter-1"), TTL).await.unwrap();
        let mut late = registry.watch(Some("greeter")).await.unwrap();
        until(&mut late, &["greeter-1"]).await;
    });
    drop((early, first));
    second.block_on(async {
        registry.deregister(&node("greeter-1")).await.unwrap();
        assert!(registry.get("greeter").await.unwrap().is_empty());
    });
}

#[test]
fn wrong_url_says_what_is_wrong() {
    for (url, reason) in [
        (
            "consul://h?connections=0",
            "`connections=0` is not a number from 1 to 28",
        ),
        ("consul://h?connexions=1", "unknown key `connexions`"),
        (
            "consul://h?token=a%0Ab",
            "a character that no header can carry",
        ),
    ] {
        let error = Consul::open(&Url::parse(url)).err().unwrap().to_string();
        assert!(error.contains(reason), "{url}: {error}");
    }
}
