//! gRPC inside TLS, whose ALPN name is `h2`.

use bytes::Bytes;
use micro::{Context, Plugins, Socket, registry::Memory};

use super::{certificates::Pki, greeter};

#[tokio::test]
async fn grpc_works_on_a_tls_only_port() {
    let pki = Pki::new();
    let running = greeter(&Memory::new(), pki.server().require()).await;
    let socket = Socket::new().client_protocol("grpc").unwrap();
    let plugins = Plugins::new()
        .registry(Memory::new())
        .socket(socket.tls(pki.client().always()));
    let client = plugins.client().unwrap();
    let hello = client.method::<Bytes, Bytes>("greeter", "Greeter.Hello");
    for name in [Bytes::from("John"), Bytes::from(vec![7; 1 << 20])] {
        let cx = Context::new();
        let call = hello.call(&cx, name.clone());
        assert_eq!(call.address(&running.node().address).await.unwrap(), name);
    }
    running.stop().await;
}
