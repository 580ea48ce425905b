//! TLS: on the one port and to nodes, with certificates made for each test.

pub(crate) mod certificates;
mod files;
#[cfg(feature = "grpc")]
mod grpc;
mod mistakes;
#[cfg(feature = "grpc")]
mod negotiated;
mod plaintext;
mod port;
mod trust;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use micro::{
    Client, Context, Outcome, Plugins, Result, Running, Service, Socket,
    registry::Memory,
    transport::{Limits, Tls, contract, io::Network},
};

use certificates::Pki;

/// A greeter over the machine's own network.
async fn greeter(registry: &Memory, tls: Tls) -> Running {
    serve(registry, Socket::new().tls(tls), "127.0.0.1:0").await
}

/// A greeter on a host of a network.
async fn greeter_at(registry: &Memory, network: impl Network, tls: Tls) -> Running {
    serve(registry, Socket::new().network(network).tls(tls), "a:80").await
}

async fn serve(registry: &Memory, socket: Socket, address: &str) -> Running {
    Service::new("greeter")
        .address(address)
        .plugins(Plugins::new().registry(registry.clone()).socket(socket))
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Greeter.Hello", async |_: Context, name: Bytes| {
            Ok::<_, micro::Error>(name)
        })
        .serve()
        .await
        .unwrap()
}

fn client(registry: &Memory, tls: Tls) -> Client {
    let plugins = Plugins::new().registry(registry.clone()).tls(tls);
    plugins.client().unwrap()
}

async fn hello(client: &Client) -> Result<Bytes> {
    let hello = client.method("greeter", "Greeter.Hello");
    hello.call(&Context::new(), Bytes::from("John")).await
}

/// The error of a call that cannot be made, after a few attempts; it is known to have done nothing.
async fn not_sent(client: &Client, address: Option<&str>) -> String {
    let hello = client.method::<Bytes, Bytes>("greeter", "Greeter.Hello");
    loop {
        let context = Context::new().with_timeout(Duration::from_millis(500));
        let mut call = hello.call(&context, Bytes::new());
        if let Some(address) = address {
            call = call.address(address);
        }
        let error = call.await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
        // Otherwise its time ended amid an attempt, which had not failed yet.
        if error.to_string().contains("node at ") {
            return error.to_string();
        }
    }
}

#[tokio::test]
async fn node_that_requires_tls_is_discovered_and_called_over_tls() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let running = greeter(&registry, pki.server().require()).await;
    assert_eq!(running.node().metadata["tls"], "true");
    assert_eq!(
        hello(&client(&registry, pki.client())).await.unwrap(),
        "John"
    );
}

#[tokio::test]
async fn native_keeps_the_contract_over_tls() {
    let pki = Pki::new();
    contract::all(async |limits: Limits| {
        let tls = pki.server().trust(&pki.ca).require().always();
        let transport = Socket::new().limits(limits).tls(tls);
        (Arc::new(transport) as _, "127.0.0.1:0".to_owned())
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets_are_verified_as_localhost() {
    let (pki, registry) = (Pki::of("localhost"), Memory::new());
    let socket = Socket::new().tls(pki.server().require());
    let path = format!("unix:{}", pki.files.path("socket").display());
    let _running = serve(&registry, socket, &path).await;
    assert_eq!(
        hello(&client(&registry, pki.client())).await.unwrap(),
        "John"
    );
}

#[tokio::test]
async fn one_tls_setting_covers_listening_and_calling() {
    let pki = Pki::new();
    let service = Service::new("echo")
        .plugins(Plugins::new().registry(Memory::new()))
        .tls(pki.server().trust(&pki.ca).require())
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Echo.Say", async |_: Context, text: Bytes| {
            Ok::<_, micro::Error>(text)
        });
    let running = service.serve().await.unwrap();
    let say = running.client().method("echo", "Echo.Say");
    let said: Bytes = say.call(&Context::new(), Bytes::from("x")).await.unwrap();
    assert_eq!(said, "x");
}

#[tokio::test]
async fn events_reach_a_subscriber_that_requires_tls() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let heard = async |_: Context, _: Bytes| Ok::<_, micro::Error>(());
    let mails = Service::new("mails")
        .plugins(Plugins::new().registry(registry.clone()))
        .tls(pki.server().require())
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .subscribe("user.created", heard);
    let _running = mails.serve().await.unwrap();
    let publisher = client(&registry, pki.client());
    let message = Bytes::from("John");
    let context = Context::new();
    let received = publisher.publish(&context, "user.created", &message);
    assert_eq!(received.await.unwrap(), 1);
}
