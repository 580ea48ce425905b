//! ZooKeeper: the contract on a shared server, outages on servers of the tests' own.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use micro::{
    Code,
    registry::{Node, Registry, ZooKeeper, contract},
    settings::Url,
};
use tokio::time::timeout;

use super::{
    backend, ids,
    losses::{comes, stale},
    process::Server,
    until,
};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

fn open(address: &str, more: &str) -> ZooKeeper {
    ZooKeeper::open(&Url::parse(&format!("zookeeper://{address}{more}"))).unwrap()
}

/// A server of the test's own with a short tick, unless none is wanted here; `more` lines for its settings.
fn server(more: impl FnOnce(&Path, u16) -> String) -> Option<Server> {
    // Where the shared one cannot be had, this one cannot.
    backend::server("zookeeper")?;
    Some(Server::new(|folder, port| {
        let mut settings = String::new();
        let data = folder.join("data");
        writeln!(settings, "tickTime=500\ndataDir={}", data.display()).unwrap();
        writeln!(settings, "clientPort={port}\nclientPortAddress=127.0.0.1").unwrap();
        writeln!(
            settings,
            "admin.enableServer=false\n4lw.commands.whitelist=*"
        )
        .unwrap();
        settings.push_str(&more(folder, port));
        fs::write(folder.join("zoo.cfg"), settings).unwrap();
        let jars = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar:/usr/share/java/netty-transport-native-unix-common.jar";
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let words = ["java", "-Xmx128m", "-cp", jars, main, "zoo.cfg"];
        words.map(str::to_owned).to_vec()
    }))
}

async fn started() -> Option<Server> {
    let mut server = server(|_, _| String::new())?;
    server.start(is_ready).await;
    Some(server)
}

/// What it says to a command of four letters.
fn said(address: &str, command: &str) -> String {
    let mut said = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let _ = stream.write_all(command.as_bytes());
        let _ = stream.read_to_string(&mut said);
    }
    said
}

fn is_ready(address: &str) -> bool {
    said(address, "srvr").contains("Mode: standalone")
}

/// Creates a lasting leaf as go-micro does, by the protocol's own bytes.
fn create_raw(address: &str, path: &str, data: &[u8]) {
    fn text(frame: &mut Vec<u8>, text: &[u8]) {
        frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text);
    }
    fn send(stream: &mut TcpStream, frame: &[u8]) -> Vec<u8> {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], frame].concat()).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        answer
    }
    let mut stream = TcpStream::connect(address).unwrap();
    let mut connect = [0_i32.to_be_bytes(), [0; 4], [0; 4], 4000_i32.to_be_bytes()].concat();
    connect.extend([0; 8]);
    text(&mut connect, &[0; 16]);
    send(&mut stream, &connect);
    for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
        let mut create = [1_i32.to_be_bytes(), 1_i32.to_be_bytes()].concat();
        text(&mut create, &path.as_bytes()[..end]);
        text(&mut create, if end == path.len() { data } else { b"" });
        create.extend([1_i32.to_be_bytes(), 31_i32.to_be_bytes()].concat());
        text(&mut create, b"world");
        text(&mut create, b"anyone");
        create.extend(0_i32.to_be_bytes());
        let answer = send(&mut stream, &create);
        let error = i32::from_be_bytes(answer[12..16].try_into().unwrap());
        assert!(
            error == 0 || (error == -110 && end < path.len()),
            "error {error} at {path}"
        );
    }
}

/// Waits until `get` finds these ids.
async fn until_found(registry: &ZooKeeper, service: &str, expected: &[&str]) {
    let found = timeout(Duration::from_secs(20), async {
        loop {
            if let Ok(nodes) = registry.get(service).await
                && ids(&nodes) == expected
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("{expected:?} were never found"));
}

/// Registers a node as soon as the registry is back: until then it says that it is not.
async fn register_when_back(registry: &ZooKeeper, node: &Node) {
    let registered = timeout(Duration::from_secs(20), async {
        while let Err(error) = registry.register(node, TTL).await {
            assert_eq!(error.code(), Code::Unavailable, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    registered.await.expect("the registry never came back");
}

#[tokio::test]
async fn zookeeper_keeps_the_contract() {
    let Some(address) = backend::server("zookeeper") else {
        return;
    };
    let make = async || Arc::new(open(&address, "?namespace=contract")) as Arc<dyn Registry>;
    contract::all(make).await;
    contract::expiry(make, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn two_namespaces_do_not_see_each_other() {
    let Some(address) = backend::server("zookeeper") else {
        return;
    };
    let (blue, red) = (open(&address, "?namespace=blue"), open(&address, "/red"));
    let node = Node::new("namespaces", "namespaces-1", "10.0.0.1:80");
    blue.register(&node, TTL).await.unwrap();
    assert_eq!(
        blue.get("namespaces").await.unwrap(),
        std::slice::from_ref(&node)
    );
    assert!(red.get("namespaces").await.unwrap().is_empty());
    assert!(!red.list().await.unwrap().contains(&"namespaces".to_owned()));
    blue.deregister(&node).await.unwrap();
}

#[tokio::test]
async fn go_micro_records_are_read_and_invalid_ones_ignored() {
    let Some(server) = started().await else {
        return;
    };
    let registry = open(&server.address(), "");
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &[]).await;
    let record = br#"{"name":"greeter","version":"1.0.0","metadata":null,"endpoints":null,"nodes":[{"metadata":{"protocol":"mucp"},"id":"greeter-1","address":"10.0.0.1:80"}]}"#;
    let write = |path: &str, data: &[u8]| create_raw(&server.address(), path, data);
    write("/micro-registry/greeter/junk", b"\xff\0{");
    write("/micro-registry/greeter/liar", record);
    write("/micro-registry/greeter/empty", b"");
    write("/micro-registry/greeter/greeter-1/deep", b"");
    until_found(&registry, "greeter", &[]).await;
    write(
        "/micro-registry/greeter/greeter-2",
        &String::from_utf8_lossy(record)
            .replace("greeter-1", "greeter-2")
            .into_bytes(),
    );
    until(&mut updates, &["greeter-2"]).await;
    let found = registry.get("greeter").await.unwrap();
    assert_eq!((found.len(), &*found[0].metadata["protocol"]), (1, "mucp"));
    // It is lasting, so it can only have been taken out by someone.
    registry.deregister(&found[0]).await.unwrap();
    assert!(until(&mut updates, &[]).await, "it is gone for certain");
    let other = Node::new("a/b", "x", "h:1");
    registry.register(&other, TTL).await.unwrap();
    let error = registry.register(&Node::new("a-b", "x", "h:1"), TTL).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
    assert!(error.to_string().contains("service `a/b`"), "{error}");
}

#[tokio::test]
async fn restart_is_survived_with_and_without_data() {
    let Some(mut server) = started().await else {
        return;
    };
    let (registrant, reader) = (open(&server.address(), ""), open(&server.address(), ""));
    let node = Node::new("restart", "restart-1", "10.0.0.1:80");
    let lost = Node::new("restart", "restart-2", "10.0.0.1:81");
    registrant.register(&node, TTL).await.unwrap();
    registrant.register(&lost, TTL).await.unwrap();
    let mut updates = reader.watch(Some("restart")).await.unwrap();
    until(&mut updates, &["restart-1", "restart-2"]).await;
    server.kill();
    let error = stale(&mut updates).await;
    let place = format!("registry `zookeeper` at {}", server.address());
    assert!(error.contains(&place), "{error}");
    server.start(is_ready).await;
    until_found(&reader, "restart", &["restart-1", "restart-2"]).await;
    let third = Node::new("restart", "restart-3", "10.0.0.1:82");
    register_when_back(&registrant, &third).await;
    comes(&mut updates, &["restart-1", "restart-2", "restart-3"]).await;
    server.kill();
    server.empty();
    // It is to go even so: not to come back with the others.
    let error = registrant.deregister(&lost).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    server.start(is_ready).await;
    // By itself: nobody registers again here.
    until_found(&reader, "restart", &["restart-1", "restart-3"]).await;
    let fourth = Node::new("restart", "restart-4", "10.0.0.1:83");
    register_when_back(&registrant, &fourth).await;
    // What a server lacks that was lost is shown on for a while.
    let all = ["restart-1", "restart-2", "restart-3", "restart-4"];
    comes(&mut updates, &all).await;
    registrant.deregister(&third).await.unwrap();
    comes(&mut updates, &["restart-1", "restart-2", "restart-4"]).await;
}

#[tokio::test]
async fn deregistration_during_an_outage_is_applied_later() {
    let Some(mut server) = started().await else {
        return;
    };
    let registry = open(&server.address(), "");
    let node = Node::new("leaving", "leaving-1", "10.0.0.1:80");
    registry.register(&node, TTL).await.unwrap();
    server.kill();
    registry.deregister(&node).await.unwrap_err();
    server.start(is_ready).await;
    let reader = open(&server.address(), "");
    until_found(&reader, "leaving", &[]).await;
}

#[tokio::test]
async fn hung_server_is_detected_and_nodes_stay() {
    let Some(server) = started().await else {
        return;
    };
    let more = "?session-timeout=3";
    let (registrant, reader) = (open(&server.address(), more), open(&server.address(), more));
    let node = Node::new("hang", "hang-1", "10.0.0.1:80");
    registrant.register(&node, TTL).await.unwrap();
    let mut updates = reader.watch(Some("hang")).await.unwrap();
    until(&mut updates, &["hang-1"]).await;
    server.hang();
    let error = stale(&mut updates).await;
    assert!(error.contains("not a word in 2s"), "{error}");
    // Longer than a session lives.
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.go_on();
    until_found(&reader, "hang", &["hang-1"]).await;
    let second = Node::new("hang", "hang-2", "10.0.0.1:81");
    registrant.register(&second, TTL).await.unwrap();
    comes(&mut updates, &["hang-1", "hang-2"]).await;
}

#[tokio::test]
async fn nodes_of_a_process_that_ended_go_with_its_session() {
    let Some(server) = started().await else {
        return;
    };
    let (lives, ends) = (
        open(&server.address(), ""),
        open(&server.address(), "?session-timeout=1"),
    );
    lives
        .register(&Node::new("end", "end-1", "h:1"), TTL)
        .await
        .unwrap();
    ends.register(&Node::new("end", "end-2", "h:2"), TTL)
        .await
        .unwrap();
    let mut updates = lives.watch(Some("end")).await.unwrap();
    until(&mut updates, &["end-1", "end-2"]).await;
    drop(ends);
    assert!(until(&mut updates, &["end-1"]).await);
}

#[test]
fn handle_is_used_from_two_runtimes() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let Some(server) = first.block_on(started()) else {
        return;
    };
    let registry = open(&server.address(), "");
    let node = Node::new("runtimes", "runtimes-1", "10.0.0.1:80");
    first.block_on(registry.register(&node, TTL)).unwrap();
    let mut updates = first.block_on(registry.watch(Some("runtimes"))).unwrap();
    first.block_on(until(&mut updates, &["runtimes-1"]));
    drop(first);
    let second = runtime();
    second.block_on(async {
        stale(&mut updates).await;
        let second = Node::new("runtimes", "runtimes-2", "10.0.0.1:81");
        registry.register(&second, TTL).await.unwrap();
        comes(&mut updates, &["runtimes-1", "runtimes-2"]).await;
        registry.deregister(&second).await.unwrap();
        comes(&mut updates, &["runtimes-1"]).await;
        registry.deregister(&node).await.unwrap();
        comes(&mut updates, &[]).await;
    });
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_handle() {
    let Some(server) = started().await else {
        return;
    };
    let registry = open(&server.address(), "");
    registry
        .register(&Node::new("leak", "leak-1", "h:1"), TTL)
        .await
        .unwrap();
    let mut updates = registry.clone().watch(Some("leak")).await.unwrap();
    until(&mut updates, &["leak-1"]).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert!(tasks() > 0);
    drop((registry, updates));
    while tasks() > 0 {
        tokio::task::yield_now().await;
    }
    // The one that asks is one.
    while !said(&server.address(), "srvr").contains("Connections: 1\n") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_user_created_is_no_others_to_change() {
    let Some(server) = started().await else {
        return;
    };
    let own = open(&format!("fleet:s%2Fecret@{}", server.address()), "");
    let wrong = open(&format!("fleet:wrong@{}", server.address()), "");
    let node = Node::new("users", "users-1", "10.0.0.1:80");
    own.register(&node, TTL).await.unwrap();
    assert_eq!(
        open(&server.address(), "").get("users").await.unwrap(),
        std::slice::from_ref(&node)
    );
    for outcome in [
        wrong.deregister(&node).await,
        wrong
            .register(&Node::new("users", "users-2", "h:1"), TTL)
            .await,
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied, "{error}");
        let text = format!("{error:?} {error}");
        assert!(!text.contains("wrong") && !text.contains("ecret"), "{text}");
    }
    own.deregister(&node).await.unwrap();
}

#[tokio::test]
async fn tls_is_spoken_and_the_server_verified() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut folder = None;
    let server = server(|path, port| {
        fs::write(path.join("store.pem"), format!("{key}{certificate}")).unwrap();
        fs::write(path.join("ca.pem"), &certificate).unwrap();
        folder = Some(path.to_owned());
        let secure = port + 1;
        format!(
            "secureClientPort={secure}\nserverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
             ssl.keyStore.location=store.pem\nssl.keyStore.type=PEM\nssl.trustStore.location=ca.pem\n\
             ssl.trustStore.type=PEM\nssl.clientAuth=none\n"
        )
    });
    let Some(mut server) = server else { return };
    server.start(is_ready).await;
    let secure = format!("127.0.0.1:{}", server.port() + 1);
    // It listens there a moment after it is ready by the other port.
    while tokio::net::TcpStream::connect(&secure).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ca = folder.unwrap().join("ca.pem");
    let registry = open(&secure, &format!("?tls-ca={}", ca.display()));
    let node = Node::new("tls", "tls-1", "10.0.0.1:80");
    registry.register(&node, TTL).await.unwrap();
    assert_eq!(
        registry.get("tls").await.unwrap(),
        std::slice::from_ref(&node)
    );
    registry.deregister(&node).await.unwrap();
    let error = open(&secure, "?tls=true").get("tls").await.unwrap_err();
    assert!(
        error.to_string().contains("TLS handshake failed"),
        "{error}"
    );
    open(&secure, "?tls-insecure=true")
        .get("tls")
        .await
        .unwrap();
}

#[test]
fn url_says_what_zookeeper_has() {
    for (more, reason) in [
        ("?token=x", "takes no token"),
        ("?session-timeout=never", "`session-timeout=never`"),
        ("/a/../b", "the path of the registry `..`"),
    ] {
        let url = Url::parse(&format!("zookeeper://h{more}"));
        let error = ZooKeeper::open(&url).map(drop).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
