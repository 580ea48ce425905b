//! NATS: the contract on a shared server, outages on servers of the tests' own.

use std::{fs, path::Path, sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use micro::{
    Code,
    registry::{Nats, Node, Registry, Update, contract},
    settings::Url,
};
use nkeys::KeyPair;
use tokio::time::timeout;

use super::{
    backend, ids,
    losses::{comes, stale},
    process::{Server, built, listens},
    until,
};

const TTL: Option<Duration> = Some(Duration::from_secs(60));

fn open(address: &str, more: &str) -> Nats {
    Nats::open(&Url::parse(&format!("nats://{address}{more}"))).unwrap()
}

/// A server of the test's own, with these settings, unless none is to be had.
async fn started(settings: impl FnOnce(&Path) -> String) -> Option<Server> {
    let program = built("nats")?;
    let mut server = Server::new(|folder, port| {
        fs::write(folder.join("nats.conf"), settings(folder)).unwrap();
        let port = port.to_string();
        let words = [&program, "-c", "nats.conf", "-a", "127.0.0.1", "-p", &port];
        words.map(str::to_owned).to_vec()
    });
    server.start(listens).await;
    Some(server)
}

#[tokio::test]
async fn nats_keeps_the_contract() {
    let Some(address) = backend::server("nats") else {
        return;
    };
    let make = async || Arc::new(open(&address, "?namespace=contract")) as Arc<dyn Registry>;
    contract::all(make).await;
    contract::expiry(make, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn two_namespaces_do_not_see_each_other() {
    let Some(address) = backend::server("nats") else {
        return;
    };
    let (blue, red) = (
        open(&address, "?namespace=blue"),
        open(&address, "?namespace=red"),
    );
    let node = Node::new("namespaces", "namespaces-1", "10.0.0.1:80");
    blue.register(&node, TTL).await.unwrap();
    assert_eq!(blue.get("namespaces").await.unwrap(), [node]);
    assert!(red.get("namespaces").await.unwrap().is_empty());
    assert!(red.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn both_subject_families_of_go_micro_are_served() {
    let Some(server) = started(|_| String::new()).await else {
        return;
    };
    let theirs = async_nats::connect(server.address()).await.unwrap();
    let registry = open(&server.address(), "");
    let mut updates = registry.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &[]).await;
    let ours = Node::new("greeter", "greeter-1", "10.0.0.1:80");
    registry.register(&ours, TTL).await.unwrap();
    until(&mut updates, &["greeter-1"]).await;
    let mut all = vec!["greeter-1"];
    for (family, id) in [
        ("micro.nats", "greeter-2"),
        ("micro.registry.nats", "greeter-3"),
    ] {
        let question = r#"{"Service":{"name":"greeter","version":"","metadata":null,"endpoints":null,"nodes":null},"Action":"get"}"#;
        let answer = theirs
            .request(format!("{family}.query"), question.into())
            .await
            .unwrap();
        let answer = String::from_utf8(answer.payload.to_vec()).unwrap();
        assert!(
            answer.contains(r#""name":"greeter""#) && answer.contains("10.0.0.1:80"),
            "{answer}"
        );
        let service = format!(
            r#"{{"name":"greeter","version":"1","metadata":null,"endpoints":null,"nodes":[{{"id":"{id}","address":"10.0.0.2:80","metadata":null}}]}}"#
        );
        let create = format!(r#"{{"Service":{service},"Action":"create"}}"#);
        for said in ["not JSON", "{}", "[1]", "", &create] {
            theirs
                .publish(format!("{family}.watch"), said.to_owned().into())
                .await
                .unwrap();
        }
        all.push(id);
        until(&mut updates, &all).await;
    }
    let delete = r#"{"Service":{"name":"greeter","version":"1","metadata":null,"endpoints":null,"nodes":[{"id":"greeter-3","address":"","metadata":null}]},"Action":"delete"}"#;
    theirs
        .publish("micro.nats.watch", delete.into())
        .await
        .unwrap();
    assert!(until(&mut updates, &["greeter-1", "greeter-2"]).await);
}

#[tokio::test]
async fn restart_is_survived_and_all_is_said_again() {
    let Some(mut server) = started(|_| String::new()).await else {
        return;
    };
    let (registrant, reader) = (open(&server.address(), ""), open(&server.address(), ""));
    let node = Node::new("restart", "restart-1", "10.0.0.1:80");
    let left = Node::new("restart", "restart-2", "10.0.0.1:81");
    registrant.register(&node, TTL).await.unwrap();
    registrant.register(&left, TTL).await.unwrap();
    let mut updates = reader.watch(Some("restart")).await.unwrap();
    until(&mut updates, &["restart-1", "restart-2"]).await;
    server.kill();
    let error = stale(&mut updates).await;
    let place = format!("registry `nats` at {}", server.address());
    assert!(error.contains(&place), "{error}");
    let error = registrant.deregister(&left).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    server.start(listens).await;
    let third = Node::new("restart", "restart-3", "10.0.0.1:82");
    while registrant.register(&third, TTL).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What left meanwhile is shown on for a while, and answers no more.
    comes(&mut updates, &["restart-1", "restart-2", "restart-3"]).await;
    assert_eq!(
        ids(&reader.get("restart").await.unwrap()),
        ["restart-1", "restart-3"]
    );
    registrant.deregister(&third).await.unwrap();
    comes(&mut updates, &["restart-1", "restart-2"]).await;
}

#[tokio::test]
async fn node_renewed_during_an_outage_stays_registered() {
    let Some(mut server) = started(|_| String::new()).await else {
        return;
    };
    let (registrant, reader) = (open(&server.address(), ""), open(&server.address(), ""));
    let node = Node::new("vain", "vain-1", "10.0.0.1:80");
    let ttl = Some(Duration::from_secs(2));
    registrant.register(&node, ttl).await.unwrap();
    let mut updates = reader.watch(Some("vain")).await.unwrap();
    until(&mut updates, &["vain-1"]).await;
    server.kill();
    stale(&mut updates).await;
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        registrant.register(&node, ttl).await.unwrap_err();
    }
    server.start(listens).await;
    let looked = timeout(Duration::from_millis(1800), async {
        loop {
            let update = std::future::poll_fn(|cx| updates.as_mut().poll_next(cx)).await;
            if let Some(Update::Set { nodes, .. }) = update {
                assert_eq!(ids(&nodes), ["vain-1"]);
            }
        }
    });
    looked.await.unwrap_err();
}

#[tokio::test]
async fn server_that_hangs_is_noticed() {
    if !crate::skip::is_slow_wanted("a hanging NATS") {
        return;
    }
    let Some(server) = started(|_| String::new()).await else {
        return;
    };
    let registry = open(&server.address(), "");
    let node = Node::new("hang", "hang-1", "10.0.0.1:80");
    registry.register(&node, TTL).await.unwrap();
    let mut updates = registry.watch(Some("hang")).await.unwrap();
    until(&mut updates, &["hang-1"]).await;
    server.hang();
    let hung = tokio::time::Instant::now();
    let stale = timeout(Duration::from_secs(20), async {
        loop {
            use std::future::poll_fn;
            if let Some(Update::Stale { .. }) = poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
                return;
            }
        }
    });
    stale.await.unwrap();
    assert!(
        hung.elapsed() < Duration::from_secs(18),
        "{:?}",
        hung.elapsed()
    );
    server.go_on();
    let second = Node::new("hang", "hang-2", "10.0.0.1:81");
    while registry.register(&second, TTL).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    comes(&mut updates, &["hang-1", "hang-2"]).await;
}

#[test]
fn handle_is_used_from_two_runtimes() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let first = runtime();
    let Some(server) = first.block_on(started(|_| String::new())) else {
        return;
    };
    let registry = open(&server.address(), "");
    let node = Node::new("runtimes", "runtimes-1", "10.0.0.1:80");
    first.block_on(registry.register(&node, TTL)).unwrap();
    let mut updates = first.block_on(registry.watch(Some("runtimes"))).unwrap();
    first.block_on(until(&mut updates, &["runtimes-1"]));
    drop(first);
    runtime().block_on(async {
        stale(&mut updates).await;
        let second = Node::new("runtimes", "runtimes-2", "10.0.0.1:81");
        registry.register(&second, TTL).await.unwrap();
        comes(&mut updates, &["runtimes-1", "runtimes-2"]).await;
        assert_eq!(registry.get("runtimes").await.unwrap(), [node, second]);
    });
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_handle() {
    let Some(server) = started(|_| String::new()).await else {
        return;
    };
    let registry = open(&server.address(), "");
    let node = Node::new("leak", "leak-1", "h:1");
    registry.register(&node, TTL).await.unwrap();
    let mut updates = registry.clone().watch(Some("leak")).await.unwrap();
    until(&mut updates, &["leak-1"]).await;
    registry.get("leak").await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert!(tasks() > 0);
    drop((registry, updates));
    let ended = timeout(Duration::from_secs(10), async {
        while tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    ended
        .await
        .unwrap_or_else(|_| panic!("{} tasks are left", tasks()));
}

#[tokio::test]
async fn wrong_credentials_are_told_from_a_missing_server() {
    let settings = "authorization { user: fleet, password: secret }\n";
    let Some(mut server) = started(|_| settings.to_owned()).await else {
        return;
    };
    let right = open(&format!("fleet:secret@{}", server.address()), "");
    let node = Node::new("users", "users-1", "10.0.0.1:80");
    right.register(&node, TTL).await.unwrap();
    assert_eq!(right.get("users").await.unwrap(), [node]);
    let wrong = open(&format!("fleet:hunter2@{}", server.address()), "");
    let error = wrong.get("users").await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated, "{error}");
    assert!(
        !format!("{error:?} {error}").contains("hunter2"),
        "{error:?}"
    );
    server.kill();
    let error = open(&server.address(), "").get("users").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
}

/// Registers and reads, then fails with a key that the server does not know.
async fn known_by_file(server: &Server, option: &str, right: &str, wrong: &str) {
    let open = |name: &str, text: &str| {
        let file = server.folder().join(name);
        fs::write(&file, text).unwrap();
        open(&server.address(), &format!("?{option}={}", file.display()))
    };
    let node = Node::new("users", "users-1", "10.0.0.1:80");
    let known = open("right", right);
    known.register(&node, TTL).await.unwrap();
    assert_eq!(known.get("users").await.unwrap(), [node]);
    let error = open("wrong", wrong).get("users").await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated, "{error}");
    let missing = Url::parse(&format!("nats://{}?{option}=/nowhere", server.address()));
    let error = Nats::open(&missing).unwrap().get("users").await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert!(error.to_string().contains("`/nowhere` cannot be read"));
}

#[tokio::test]
async fn key_says_who_we_are() {
    let (user, stranger) = (KeyPair::new_user(), KeyPair::new_user());
    let settings = format!(
        "authorization {{ users: [ {{ nkey: {} }} ] }}\n",
        user.public_key()
    );
    let Some(server) = started(|_| settings).await else {
        return;
    };
    let seed = |key: &KeyPair| key.seed().unwrap() + "\n";
    known_by_file(&server, "nkey", &seed(&user), &seed(&stranger)).await;
}

/// What one key says of another, as NATS signs it.
fn signed(by: &KeyPair, of: &KeyPair, says: &str) -> String {
    let claims = format!(
        r#"{{"jti":"1","iat":1700000000,"iss":"{}","sub":"{}","name":"fleet","nats":{{{says},"version":2}}}}"#,
        by.public_key(),
        of.public_key(),
    );
    let head = BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let said = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = by.sign(said.as_bytes()).unwrap();
    format!("{said}.{}", BASE64URL_NOPAD.encode(&signature))
}

#[tokio::test]
async fn file_of_credentials_says_who_we_are() {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let limits = r#""subs":-1,"data":-1,"payload":-1"#;
    let of_operator = signed(&operator, &operator, r#""type":"operator""#);
    let of_account = signed(
        &operator,
        &account,
        &format!(
            r#""type":"account","limits":{{{limits},"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1}}"#
        ),
    );
    let settings = format!(
        "operator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}\n",
        account.public_key()
    );
    let Some(server) = started(|_| settings).await else {
        return;
    };
    let credentials = |by: &KeyPair| {
        let user = KeyPair::new_user();
        let says = signed(
            by,
            &user,
            &format!(r#""type":"user",{limits},"pub":{{}},"sub":{{}}"#),
        );
        format!(
            "-----BEGIN NATS USER JWT-----\n{says}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        )
    };
    let stranger = credentials(&KeyPair::new_account());
    known_by_file(&server, "creds", &credentials(&account), &stranger).await;
}

/// The subjects of questions and of notices, as a configuration has them.
const QUERY: &str = r#""micro.nats.query", "micro.registry.nats.query""#;
const WATCH: &str = r#""micro.nats.watch", "micro.registry.nats.watch""#;
const INBOX: &str = r#""_INBOX.>""#;

/// A server on which the user `fleet` may do only this.
async fn permitting(publish: &[&str], subscribe: &[&str]) -> Option<(Server, Nats)> {
    let settings = format!(
        "authorization {{ users: [ {{ user: fleet, password: secret, permissions: \
         {{ publish: [{}], subscribe: [{}] }} }} ] }}\n",
        publish.join(", "),
        subscribe.join(", ")
    );
    let server = started(|_| settings).await?;
    let registry = open(&format!("fleet:secret@{}", server.address()), "");
    Some((server, registry))
}

/// Fails unless this was refused, with the missing permission in its text.
fn refused<T>(result: micro::Result<T>, permission: &str) {
    let error = result.map(drop).expect_err(permission);
    assert_eq!(error.code(), Code::PermissionDenied, "{error}");
    assert!(error.to_string().contains(permission), "{error}");
}

#[tokio::test]
async fn missing_permission_to_subscribe_fails_everything() {
    for (subscribe, missing) in [
        ([INBOX, QUERY], "subscribe to `micro.nats.watch`"),
        ([INBOX, WATCH], "subscribe to `micro.nats.query`"),
    ] {
        let permitted = permitting(&[QUERY, WATCH, INBOX], &subscribe).await;
        let Some((_server, registry)) = permitted else {
            return;
        };
        let node = Node::new("denied", "denied-1", "10.0.0.1:80");
        refused(registry.register(&node, TTL).await, missing);
        refused(registry.list().await, missing);
        refused(registry.get("denied").await, missing);
        let mut updates = registry.watch(Some("denied")).await.unwrap();
        let error = stale(&mut updates).await;
        assert!(error.contains(missing), "{error}");
    }
}

#[tokio::test]
async fn missing_permission_to_publish_notices_fails_registration() {
    let all = [QUERY, WATCH, INBOX];
    let Some((_server, registry)) = permitting(&[QUERY, INBOX], &all).await else {
        return;
    };
    let node = Node::new("denied", "denied-1", "10.0.0.1:80");
    refused(registry.register(&node, TTL).await, "publish to `micro.");
    assert!(
        registry.get("other").await.unwrap().is_empty(),
        "reading goes on"
    );
}

#[tokio::test]
async fn missing_permission_to_ask_fails_what_asks() {
    let all = [QUERY, WATCH, INBOX];
    for (publish, subscribe, missing) in [
        (vec![WATCH, INBOX], all.to_vec(), "publish to `micro"),
        (all.to_vec(), vec![QUERY, WATCH], "subscribe to `_INBOX.>`"),
    ] {
        let Some((_server, registry)) = permitting(&publish, &subscribe).await else {
            return;
        };
        refused(registry.list().await, missing);
        refused(registry.get("denied").await, missing);
        let mut updates = registry.watch(Some("denied")).await.unwrap();
        let error = stale(&mut updates).await;
        assert!(error.contains(missing), "{error}");
    }
}

#[tokio::test]
async fn missing_permission_to_answer_fails_registration() {
    let all = [QUERY, WATCH, INBOX];
    let Some((_server, registry)) = permitting(&[QUERY, WATCH], &all).await else {
        return;
    };
    let node = Node::new("denied", "denied-1", "10.0.0.1:80");
    refused(registry.register(&node, TTL).await, "publish to `_INBOX.>`");
}

#[tokio::test]
async fn permission_that_is_documented_is_enough() {
    let all = [QUERY, WATCH, INBOX];
    let Some((server, serving)) = permitting(&all, &all).await else {
        return;
    };
    let node = Node::new("permitted", "permitted-1", "10.0.0.1:80");
    serving.register(&node, TTL).await.unwrap();
    let other = open(&format!("fleet:secret@{}", server.address()), "");
    assert_eq!(other.get("permitted").await.unwrap(), [node]);
    assert_eq!(other.list().await.unwrap(), ["permitted"]);
}

#[tokio::test]
async fn server_at_its_limits_is_no_final_refusal() {
    for settings in ["max_connections: 1\n", "max_subscriptions: 2\n"] {
        let Some(server) = started(|_| settings.to_owned()).await else {
            return;
        };
        let _first = async_nats::connect(server.address()).await.unwrap();
        let registry = open(&server.address(), "");
        let node = Node::new("full", "full-1", "10.0.0.1:80");
        let error = registry.register(&node, TTL).await.unwrap_err();
        let may_pass = [Code::Unavailable, Code::ResourceExhausted].contains(&error.code());
        assert!(may_pass, "{settings}: {error}");
    }
}

#[tokio::test]
async fn token_is_taken_and_tls_verified() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut ca = None;
    let server = started(|folder| {
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        ca = Some(folder.join("cert.pem").display().to_string());
        "tls { cert_file: cert.pem, key_file: key.pem }\nauthorization { token: abc }\n".to_owned()
    });
    let Some(server) = server.await else { return };
    let trusts = format!("?token=abc&tls-ca={}", ca.unwrap());
    let node = Node::new("tls", "tls-1", "10.0.0.1:80");
    let registry = open(&server.address(), &trusts);
    registry.register(&node, TTL).await.unwrap();
    assert_eq!(
        registry.get("tls").await.unwrap(),
        std::slice::from_ref(&node)
    );
    open(&server.address(), "?token=abc&tls-insecure=true")
        .get("tls")
        .await
        .unwrap();
    let error = open(&server.address(), "?token=abc&tls=true")
        .get("tls")
        .await;
    assert_eq!(error.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn record_over_the_payload_limit_is_refused() {
    let Some(server) = started(|_| "max_payload: 2048\n".to_owned()).await else {
        return;
    };
    let node = Node::new("big", "big-1", "h:1").with_metadata("k", "x".repeat(4000));
    let error = open(&server.address(), "")
        .register(&node, TTL)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert!(
        error.to_string().contains("`max_payload` is 2048"),
        "{error}"
    );
}
