//! What the one port does with TLS, with plaintext, and with what is neither.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use micro::{
    Context, Plugins, Service, Socket,
    registry::Memory,
    sim,
    transport::{Tls, io::Network as _},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::Instant,
};

use super::{certificates::Pki, client, greeter, greeter_at, hello, not_sent};
use crate::raw::{Raw, preface};

fn network() -> sim::Network {
    sim::Network::new(1)
}

/// Why no call to a node at this address is made, which is known to have done nothing.
async fn refusal(address: &str, tls: Tls) -> String {
    not_sent(&client(&Memory::new(), tls), Some(address)).await
}

#[tokio::test]
async fn plaintext_and_tls_share_the_port() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let running = greeter(&registry, pki.server()).await;
    assert!(!running.node().metadata.contains_key("tls"));
    assert_eq!(hello(&client(&registry, Tls::new())).await.unwrap(), "John");
    let always = client(&registry, pki.client().always());
    assert_eq!(hello(&always).await.unwrap(), "John");
    // It was TLS: with another authority it fails.
    let why = refusal(&running.node().address, Pki::new().client().always()).await;
    assert!(why.contains("no authority that is trusted"), "{why}");
}

#[tokio::test]
async fn plaintext_is_closed_silently_if_tls_is_required() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let running = greeter(&registry, pki.server().require()).await;
    let mut raw = Raw::connect(&running.node().address).await;
    raw.send(&preface(1024)).await;
    let mut said = Vec::new();
    // What it has not read may have it end by a reset.
    let _ = raw.0.read_to_end(&mut said).await;
    assert!(said.is_empty(), "{said:?}");
    refusal(&running.node().address, Tls::new()).await;
}

#[tokio::test]
async fn client_that_requires_tls_refuses_a_plaintext_server() {
    let registry = Memory::new();
    let running = greeter(&registry, Tls::new()).await;
    let why = refusal(&running.node().address, Tls::new().insecure().always()).await;
    assert!(why.contains("does not speak TLS"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn handshake_that_stalls_is_closed_after_its_limit() {
    let (pki, network) = (Pki::of("a"), network());
    let _running = greeter_at(&Memory::new(), network.host("a"), pki.server()).await;
    for begun in [
        &[][..],
        &[0x16],
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00],
    ] {
        let mut io = network.host("b").connect("a:80").await.unwrap();
        io.write_all(begun).await.unwrap();
        let began = Instant::now();
        assert_eq!(io.read(&mut [0; 64]).await.unwrap_or(0), 0, "{begun:?}");
        let lasted = began.elapsed().as_secs_f64();
        assert!((4.9..5.1).contains(&lasted), "{begun:?}: {lasted}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_tls_record_closes_the_connection_at_once() {
    let (pki, network) = (Pki::of("a"), network());
    let _running = greeter_at(&Memory::new(), network.host("a"), pki.server()).await;
    let mut io = network.host("b").connect("a:80").await.unwrap();
    io.write_all(&[0x16, 0x03, 0x01, 0, 4, 1, 2, 3, 4, 5, 6, 7])
        .await
        .unwrap();
    let began = Instant::now();
    let mut said = Vec::new();
    let _ = io.read_to_end(&mut said).await;
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn large_message_passes_a_network_of_small_writes() {
    let (pki, network, registry) = (Pki::of("a"), network(), Memory::new());
    let _running = greeter_at(&registry, network.host("a"), pki.server().require()).await;
    let socket = Socket::new().network(network.host("b")).tls(pki.client());
    let plugins = Plugins::new().registry(registry).socket(socket);
    let hello = plugins.client().unwrap().method("greeter", "Greeter.Hello");
    let message: Bytes = (0..1 << 20).map(|byte| byte as u8).collect();
    for _ in 0..3 {
        let answer: Bytes = hello.call(&Context::new(), message.clone()).await.unwrap();
        assert!(answer == message);
    }
}

#[tokio::test]
async fn call_in_progress_succeeds_when_its_node_leaves() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let (begun, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let tell = (begun.clone(), may_end.clone());
    let wait = move |_: Context, name: Bytes| {
        let (begun, may_end) = tell.clone();
        async move {
            begun.notify_one();
            may_end.notified().await;
            Ok::<_, micro::Error>(name)
        }
    };
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(registry.clone()))
        .tls(pki.server().require())
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Greeter.Wait", wait);
    let running = service.serve().await.unwrap();
    let client = client(&registry, pki.client());
    let wait = client.method::<Bytes, Bytes>("greeter", "Greeter.Wait");
    let waiting = tokio::spawn(async move { wait.call(&Context::new(), "x".into()).await });
    begun.notified().await;
    let address = running.node().address.clone();
    let stopping = tokio::spawn(running.stop());
    // It tells its clients to go once it takes no more of them.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    may_end.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), "x");
    stopping.await.unwrap();
}
