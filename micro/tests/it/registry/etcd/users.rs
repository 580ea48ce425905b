//! Who may do what, with TLS and without.

use micro::registry::Registry;
use serde_json::json;

use super::*;

/// A server with TLS, and the URL that opens it as a user.
fn secured(user: &str) -> Option<Etcd> {
    let address = backend::server("etcd-auth")?;
    let ca = backend::detail("etcd-auth", "ca")?;
    let url = format!("etcd://{user}{address}?tls-ca={ca}");
    Some(Etcd::open(&Url::parse(&url)).unwrap())
}

#[tokio::test]
async fn users_may_do_what_their_role_says_over_tls() {
    let Some(micro) = secured("micro:micro@") else {
        return;
    };
    let Some(reader) = secured("reader:reader@") else {
        return;
    };
    let service = unique("users");
    micro.register(&node(&service, 1), TTL).await.unwrap();
    let mut updates = reader.watch(Some(&service)).await.unwrap();
    until(&mut updates, &[&node(&service, 1).id]).await;
    let error = reader.register(&node(&service, 2), TTL).await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied, "{error}");
    assert!(error.message().contains("grant a role"), "{error}");
    micro.deregister(&node(&service, 1)).await.unwrap();
    until(&mut updates, &[]).await;
}

#[tokio::test]
async fn who_is_not_known_is_told_what_to_do_and_no_secret() {
    for (user, advice) in [
        (
            "micro:wrong-one@",
            "does not know this user with this password",
        ),
        ("", "put user and password into the URL"),
    ] {
        let Some(registry) = secured(user) else {
            return;
        };
        let error = registry.get("greeter").await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{error}");
        assert!(error.to_string().contains(advice), "{error}");
        assert!(!format!("{error:?}").contains("wrong-one"), "{error:?}");
        let mut updates = registry.watch(Some("greeter")).await.unwrap();
        let error = timeout(Duration::from_secs(10), stale(&mut updates))
            .await
            .expect("the loss is noticed");
        assert!(error.contains(advice), "{error}");
    }
}

#[tokio::test]
async fn unverified_server_is_not_used() {
    let Some(address) = backend::server("etcd-auth") else {
        return;
    };
    for (query, said) in [
        ("?tls=true", "TLS handshake failed"),
        ("", "does it want TLS"),
    ] {
        let url = format!("etcd://micro:micro@{address}{query}");
        let registry = Etcd::open(&Url::parse(&url)).unwrap();
        let error = registry.get("greeter").await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn token_that_expires_is_renewed() {
    let Some(mut server) = own::alone(&["--auth-token-ttl=1"]) else {
        return;
    };
    server.start(own::is_ready).await;
    let address = server.address();
    for (path, question) in [
        ("user/add", json!({"name": "root", "password": "secret"})),
        ("role/add", json!({"name": "root"})),
        ("user/grant", json!({"user": "root", "role": "root"})),
        ("enable", json!({})),
    ] {
        own::post(&address, &format!("/v3/auth/{path}"), question);
    }
    let registry = open(&format!("root:secret@{address}"));
    let mut updates = registry.watch(Some("token")).await.unwrap();
    until(&mut updates, &[]).await;
    registry.register(&node("token", 1), TTL).await.unwrap();
    until(&mut updates, &["token-1"]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    registry.register(&node("token", 2), TTL).await.unwrap();
    until(&mut updates, &["token-1", "token-2"]).await;
    // One restarted knows no token, whoever made it.
    server.kill();
    server.start(own::is_ready).await;
    registry.register(&node("token", 3), TTL).await.unwrap();
    let all = ["token-1", "token-2", "token-3"];
    comes_within(&mut updates, &all, Duration::from_secs(10)).await;
}
