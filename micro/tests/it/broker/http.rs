//! go-micro's HTTP broker, in one process, over sockets.

use std::{sync::Arc, time::Duration};

use micro::{
    Broker, Client, ContentType, Plugins,
    broker::{Event, Subscription, http::Style},
    registry::{Memory, Registry},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Of, event, take};

const LONG: Duration = Duration::from_secs(10);

fn broker(registry: &Memory, styles: &[Style]) -> Arc<dyn Broker> {
    let plugins = Plugins::new()
        .registry(registry.clone())
        .http_broker(|http| {
            http.deregister_delay = Duration::from_millis(20);
            http.register = styles.to_vec();
            http.discover = styles.to_vec();
        });
    Arc::new(Of(plugins.client().unwrap()))
}

#[tokio::test]
async fn http_keeps_the_contract_but_for_delivering_again() {
    let registry = Memory::new();
    micro::broker::contract::at_most_once(async || broker(&registry, &[Style::V2])).await;
}

#[tokio::test]
async fn subscription_is_registered_as_each_version_does() {
    for (style, service, path, says) in [
        (Style::V2, "micro.http.broker", "/", true),
        (Style::V1_18, "go.micro.http.broker", "/_sub", true),
        (Style::V1_13, "a.topic", "/_sub", true),
        (Style::V0, "topic:a.topic", "/_sub", false),
    ] {
        let registry = Memory::new();
        let broker = broker(&registry, &[style]);
        let mut alone = broker.subscribe("a.topic", None).await.unwrap();
        let queued = broker.subscribe("a.topic", Some("q")).await.unwrap();
        let mut nodes = registry.get(service).await.unwrap();
        nodes.sort_by(|one, other| one.version.cmp(&other.version));
        let versions: Vec<_> = nodes.iter().map(|node| &*node.version).collect();
        assert_eq!(versions, ["ff.http.broadcast", "q"], "{style:?}");
        let node = &nodes[0];
        assert_eq!(node.metadata["secure"], "false");
        let said = |name: &str| node.metadata.get(name).map(String::as_str);
        assert_eq!(said("topic"), says.then_some("a.topic"), "{style:?}");
        assert_eq!(said("broker"), says.then_some("http"), "{style:?}");
        // As a publisher of that version posts.
        let body =
            r#"{"Header":{":topic":"a.topic","Content-Type":"application/json"},"Body":"e30="}"#;
        let status = post(&node.address, &format!("{path}?id={}", node.id), body).await;
        assert_eq!(status, 200);
        let delivery = take(&mut alone).await;
        assert_eq!(delivery.event().body(), "{}");
        delivery.ack();
        assert_eq!(broker.publish("a.topic", event("{}")).await.unwrap(), 2);
        alone.close().await;
        queued.close().await;
        assert!(registry.get(service).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn process_of_two_styles_receives_an_event_once() {
    let registry = Memory::new();
    let styles = [Style::V2, Style::V1_18, Style::V1_13, Style::V0];
    let broker = broker(&registry, &styles);
    let mut subscription = broker.subscribe("once", None).await.unwrap();
    assert_eq!(broker.publish("once", event("1")).await.unwrap(), 1);
    take(&mut subscription).await.ack();
    let more = timeout(Duration::from_millis(50), subscription.next()).await;
    assert!(more.is_err(), "no second one: {more:?}");
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_what_is_for_nobody_is_not() {
    let registry = Memory::new();
    let broker = broker(&registry, &[Style::V2]);
    let subscription = broker.subscribe("a", None).await.unwrap();
    let address = &registry.get("micro.http.broker").await.unwrap()[0].address;
    assert_eq!(post(address, "/?id=x", "{bad").await, 500);
    assert_eq!(post(address, "/?id=x", "{}").await, 500);
    assert_eq!(post(address, "/other?id=x", "{}").await, 404);
    let event = r#"{"Header":{"Micro-Topic":"a"},"Body":""}"#;
    assert_eq!(post(address, "/?id=nobody", event).await, 200);
    for (lines, expected) in [
        ("Origin: http://evil.example\r\n", "HTTP/1.1 403 "),
        ("Content-Encoding: br\r\n", "HTTP/1.1 415 "),
    ] {
        let length = event.len();
        let text = format!(
            "POST /?id=nobody HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n{event}"
        );
        let got = request(address, &text).await;
        assert!(got.starts_with(expected), "{got}");
    }
    let got = request(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(got.starts_with("HTTP/1.1 405 "), "{got}");
    assert!(got.contains("go.micro.broker"), "{got}");
    drop(subscription);
}

#[tokio::test]
async fn subscriber_of_go_micro_s_is_posted_to_as_its_version_wants() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Memory::new();
    let address = listener.local_addr().unwrap().to_string();
    let node = micro::registry::Node::new("micro.http.broker", "a b-1", address)
        .with_version("ff.http.broadcast")
        .with_metadata("broker", "http")
        .with_metadata("secure", "false")
        .with_metadata("topic", "a b");
    registry.register(&node, None).await.unwrap();
    let broker = broker(&registry, &[Style::V2]);
    let event = Event::new(ContentType::Json, "{}")
        .with_context(micro::Context::new().with("X-Event-Key", "yes"));
    let publishing = broker.publish("a b", event);
    let serving = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert!(
                timeout(LONG, socket.read_buf(&mut read))
                    .await
                    .unwrap()
                    .unwrap()
                    > 0
            );
        }
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8(read).unwrap()
    };
    let (received, request) = tokio::join!(publishing, serving);
    assert_eq!(received.unwrap(), 1);
    assert!(
        request.starts_with("POST /?id=a%20b-1 HTTP/1.1\r\n"),
        "{request}"
    );
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_lowercase()
            .contains("content-type: application/json"),
        "{head}"
    );
    let envelope: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(envelope["Body"], "e30=");
    for (name, value) in [
        ("Micro-Topic", "a b"),
        (":topic", "a b"),
        ("Content-Type", "application/json"),
        ("X-Event-Key", "yes"),
    ] {
        assert_eq!(envelope["Header"][name], value, "{name}");
    }
}

/// A client and a subscription of it to the queue `q` of `a`, in which a member that is gone is registered as well.
async fn with_a_member_gone(
    change: impl FnOnce(&mut micro::balance::Settings),
) -> (Client, Subscription) {
    let registry = Memory::new();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let plugins = Plugins::new()
        .registry(registry.clone())
        .balance(change)
        .http_broker(|http| {
            http.register = vec![Style::V2];
            http.discover = vec![Style::V2];
        });
    let client = plugins.client().unwrap();
    let queue = client.subscribe("a", Some("q")).await.unwrap();
    let node = micro::registry::Node::new("micro.http.broker", "gone-1", address)
        .with_version("q")
        .with_metadata("broker", "http")
        .with_metadata("secure", "false")
        .with_metadata("topic", "a");
    registry.register(&node, None).await.unwrap();
    (client, queue)
}

#[tokio::test]
async fn queue_member_that_is_gone_costs_retries_within_bounds() {
    let (client, mut queue) = with_a_member_gone(|_| {}).await;
    for _ in 0..100 {
        assert_eq!(client.publish_raw("a", event("1")).await.unwrap(), 1);
        take(&mut queue).await.ack();
    }
    let stats = client.stats("micro.http.broker");
    assert_eq!((stats.calls, stats.failed), (100, 0));
    assert!((1..=10).contains(&stats.retries), "{stats:?}");
    queue.close().await;
}

#[tokio::test]
async fn event_that_no_member_got_for_lack_of_budget_is_an_error() {
    let (client, queue) = with_a_member_gone(|balance| {
        balance.retry_share = 0.0;
        balance.retries_per_second = 0.0;
    })
    .await;
    let mut failed = 0;
    for _ in 0..50 {
        match client.publish_raw("a", event("1")).await {
            Ok(received) => assert_eq!(received, 1),
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 0, "it was never the first to be asked");
    assert_eq!(client.stats("micro.http.broker").failed, failed);
    queue.close().await;
}

/// The status of a post.
async fn post(address: &str, target: &str, body: &str) -> u16 {
    let length = body.len();
    let text = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    request(address, &text).await[9..12].parse().unwrap()
}

async fn request(address: &str, text: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let text = text.replacen("Host: localhost", "Host: localhost\r\nConnection: close", 1);
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut read = String::new();
    timeout(LONG, socket.read_to_string(&mut read))
        .await
        .unwrap()
        .unwrap();
    read
}

/// A broker whose transport has this TLS.
#[cfg(feature = "tls")]
fn secured(registry: &Memory, tls: micro::transport::Tls) -> Arc<dyn Broker> {
    let plugins = Plugins::new()
        .registry(registry.clone())
        .tls(tls)
        .http_broker(|http| http.deregister_delay = Duration::from_millis(20));
    Arc::new(Of(plugins.client().unwrap()))
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn subscriptions_refuse_plaintext_where_the_transport_does() {
    use crate::tls::certificates::Pki;

    let pki = Pki::new();
    let known = pki.client_of(&pki.authority);
    let (certificate, key) = pki.certificate();
    for (server, publisher) in [
        (pki.server().require(), pki.client()),
        (pki.server().clients(&pki.ca), known),
    ] {
        let registry = Memory::new();
        let subscriber = secured(
            &registry,
            server.trust(&pki.ca).certificate(certificate, key),
        );
        let mut subscription = subscriber.subscribe("a", None).await.unwrap();
        let node = registry.get("micro.http.broker").await.unwrap().remove(0);
        assert_eq!(node.metadata["secure"], "true");
        let mut plain = TcpStream::connect(&node.address).await.unwrap();
        let post = b"POST /?id=x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
        plain.write_all(post).await.unwrap();
        let mut said = Vec::new();
        let _ = timeout(LONG, plain.read_to_end(&mut said)).await.unwrap();
        assert!(said.is_empty(), "{}", said.escape_ascii());
        let publisher = secured(&registry, publisher);
        assert_eq!(publisher.publish("a", event("1")).await.unwrap(), 1);
        take(&mut subscription).await.ack();
        subscription.close().await;
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn subscriptions_need_a_certificate_where_plaintext_is_refused() {
    let registry = Memory::new();
    let broker = secured(&registry, micro::transport::Tls::new().require());
    let why = broker.subscribe("a", None).await.unwrap_err().to_string();
    assert!(why.contains("`--tls-cert`"), "{why}");
    assert!(registry.list().await.unwrap().is_empty());
}
