//! Clients that must show a certificate cannot leave TLS out instead.

use std::time::Duration;

use bytes::Bytes;
use micro::{
    Context, Plugins, Result, Running, Service, Settings, Socket, registry::Memory, transport::Tls,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{certificates::Pki, client, greeter, hello, serve};
use crate::raw::preface;

const LONG: Duration = Duration::from_secs(10);

/// The beginning of a call in each protocol of the port.
fn beginnings() -> Vec<(&'static str, Vec<u8>)> {
    let socket = preface(1024);
    let plain =
        b"POST /Greeter.Hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                  Content-Length: 2\r\n\r\n{}";
    let mucp = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nMicro-Service: greeter\r\nMicro-Endpoint: Greeter.Hello\r\n\
                 Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let health = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    vec![
        ("native", socket),
        ("HTTP/1.1", plain.to_vec()),
        ("go-micro", mucp.to_vec()),
        ("operations", health.to_vec()),
        ("HTTP/2", http2.to_vec()),
    ]
}

/// Whether what begins so in plaintext is answered by anything at all.
async fn is_answered(mut io: impl AsyncRead + AsyncWrite + Unpin, beginning: &[u8]) -> bool {
    // Where it is refused, the connection may have been reset already.
    let _ = io.write_all(beginning).await;
    let read = timeout(LONG, io.read(&mut [0; 64])).await;
    read.expect("it answers or closes").unwrap_or(0) > 0
}

async fn with_flags(flags: &[String]) -> Result<Running> {
    Service::new("greeter")
        .plugins(Plugins::new().registry(Memory::new()))
        .settings(Settings::new().args(flags.iter().cloned())?)
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle("Greeter.Hello", async |_: Context, name: Bytes| {
            Ok::<_, micro::Error>(name)
        })
        .serve()
        .await
}

fn flags(pki: &Pki, more: &[&str]) -> Vec<String> {
    let (certificate, key) = pki.certificate();
    let mut flags = vec![
        format!("--tls-cert={}", certificate.display()),
        format!("--tls-key={}", key.display()),
        format!("--tls-client-ca={}", pki.ca.display()),
    ];
    flags.extend(more.iter().map(|&flag| flag.to_owned()));
    flags
}

#[tokio::test]
async fn client_ca_refuses_plaintext_of_every_protocol() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let by_code = greeter(&registry, pki.server().clients(&pki.ca)).await;
    let by_flags = with_flags(&flags(&pki, &[])).await.unwrap();
    for running in [&by_code, &by_flags] {
        assert_eq!(running.node().metadata["tls"], "true");
        for (name, beginning) in beginnings() {
            let io = TcpStream::connect(&running.node().address).await.unwrap();
            assert!(!is_answered(io, &beginning).await, "{name}");
        }
    }
    // Told by the record, callers with a certificate speak TLS without a setting.
    let known = client(&registry, pki.client_of(&pki.authority));
    assert_eq!(hello(&known).await.unwrap(), "John");
}

#[cfg(unix)]
#[tokio::test]
async fn client_ca_refuses_plaintext_on_a_unix_socket() {
    let (pki, registry) = (Pki::of("localhost"), Memory::new());
    let socket = Socket::new().tls(pki.server().clients(&pki.ca));
    let path = pki.files.path("socket");
    let running = serve(&registry, socket, &format!("unix:{}", path.display())).await;
    assert_eq!(running.node().metadata["tls"], "true");
    for (name, beginning) in beginnings() {
        let io = tokio::net::UnixStream::connect(&path).await.unwrap();
        assert!(!is_answered(io, &beginning).await, "{name}");
    }
}

#[tokio::test]
async fn optional_client_certificates_leave_plaintext_to_require() {
    let (pki, registry) = (Pki::new(), Memory::new());
    let optional = pki.server().clients(&pki.ca).clients_optional();
    let open = greeter(&registry, optional.clone()).await;
    assert!(!open.node().metadata.contains_key("tls"));
    for (name, beginning) in beginnings() {
        let io = TcpStream::connect(&open.node().address).await.unwrap();
        assert!(is_answered(io, &beginning).await, "{name}");
    }
    assert_eq!(hello(&client(&registry, Tls::new())).await.unwrap(), "John");
    let flags = flags(&pki, &["--tls-client-optional", "--tls-require"]);
    let closed = with_flags(&flags).await.unwrap();
    assert_eq!(closed.node().metadata["tls"], "true");
    for (name, beginning) in beginnings() {
        let io = TcpStream::connect(&closed.node().address).await.unwrap();
        assert!(!is_answered(io, &beginning).await, "{name}");
    }
}

#[tokio::test]
async fn client_ca_conflicts_with_tls_not_required() {
    let pki = Pki::new();
    let refused = with_flags(&flags(&pki, &["--tls-require=no"])).await;
    let why = refused.err().expect("it must not start").to_string();
    assert!(why.contains("`--tls-client-optional`"), "{why}");
    let optional = flags(&pki, &["--tls-require=no", "--tls-client-optional"]);
    with_flags(&optional).await.unwrap();
}
