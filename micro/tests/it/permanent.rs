//! Failures that do not pass are told within a second, and what can pass is waited for.

use std::time::Duration;

use micro::{
    Client, Code, Context, Error, Outcome, Plugins, Service, Socket,
    registry::{Memory, Node, Registry},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

const EVENT_TIMEOUT: Duration = Duration::from_secs(1);

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A server that answers everything as one of HTTP/1.1 does.
async fn web() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 1024]).await;
                let answer =
                    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                let _ = socket.write_all(answer).await;
            });
        }
    });
    address
}

async fn call(client: &Client, address: Option<&str>) -> (Error, Duration) {
    let method = client.method::<String, String>("text", "Text.Echo");
    let began = Instant::now();
    let context = Context::new();
    let mut call = method.call(&context, "x".into());
    if let Some(address) = address {
        call = call.address(address);
    }
    let error = call.await.unwrap_err();
    (error, began.elapsed())
}

async fn registered(address: &str) -> Plugins {
    let registry = Memory::new();
    let node = Node::new("text", "text-1", address);
    registry.register(&node, None).await.unwrap();
    Plugins::new().registry(registry)
}

#[tokio::test]
async fn refused_address_is_told_within_a_second() {
    let address = nowhere().await;
    for protocol in Socket::CLIENT_PROTOCOLS {
        let socket = Socket::new().client_protocol(protocol).unwrap();
        let plugins = Plugins::new().registry(Memory::new()).socket(socket);
        let client = plugins.client().unwrap();
        let (error, took) = call(&client, Some(&address)).await;
        assert!(took < EVENT_TIMEOUT, "{protocol}: {took:?}");
        assert_eq!(error.code(), Code::Unavailable, "{protocol}: {error}");
        assert_eq!(error.outcome(), Outcome::NotSent, "{protocol}: {error}");
        assert!(error.to_string().contains("refused"), "{protocol}: {error}");
    }
}

#[tokio::test]
async fn refused_node_is_waited_for_until_it_is_back() {
    let address = nowhere().await;
    let plugins = registered(&address).await;
    let client = plugins.client().unwrap();
    let late = tokio::spawn(async move {
        tokio::time::sleep(EVENT_TIMEOUT + Duration::from_millis(500)).await;
        let service = Service::new("text")
            .address(address)
            .plugins(Plugins::new().registry(Memory::new()))
            .handle("Text.Echo", async |_: Context, text: String| {
                Ok::<_, micro::Error>(text)
            });
        service.serve().await.unwrap()
    });
    let method = client.method::<String, String>("text", "Text.Echo");
    let answer = method.call(&Context::new(), "x".into()).await;
    assert_eq!(answer.unwrap(), "x");
    late.await.unwrap();
}

#[tokio::test]
async fn server_of_another_protocol_is_told_within_a_second() {
    let address = web().await;
    let by_name = registered(&address).await.client().unwrap();
    let (error, took) = call(&by_name, None).await;
    assert!(took < EVENT_TIMEOUT, "{took:?}");
    assert!(error.message().contains("native protocol"), "{error}");
    let (error, took) = call(&by_name, Some(&address)).await;
    assert!(took < EVENT_TIMEOUT, "{took:?}");
    assert!(error.message().contains("native protocol"), "{error}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_to_a_server_without_it_is_told_within_a_second() {
    use micro::transport::Tls;

    let service = Service::new("text")
        .plugins(Plugins::new().registry(Memory::new()))
        .handle("Text.Echo", async |_: Context, text: String| {
            Ok::<_, micro::Error>(text)
        });
    let running = service.serve().await.unwrap();
    let address = running.node().address.clone();
    let plugins = registered(&address).await.tls(Tls::new().always());
    let client = plugins.client().unwrap();
    for address in [None, Some(&*address)] {
        let (error, took) = call(&client, address).await;
        assert!(took < EVENT_TIMEOUT, "{took:?}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }
}

#[tokio::test]
async fn service_without_nodes_is_unavailable_with_a_reason() {
    let plugins = Plugins::new().registry(Memory::new());
    let client = plugins.client().unwrap();
    let (error, took) = call(&client, None).await;
    assert!(took < EVENT_TIMEOUT, "{took:?}");
    assert_eq!(
        (error.code(), error.outcome()),
        (Code::Unavailable, Outcome::NotSent)
    );
    assert_eq!(error.reason().as_deref(), Some("NO_NODES"));
    assert_eq!(error.http_status(), 503);
    assert!(error.message().starts_with("no service `text`"), "{error}");
    assert!(
        !error.to_string().contains("memory"),
        "it names the registry: {error}"
    );
}
