//! The protocol that TLS negotiates (ALPN) is the one that is spoken, whatever the first bytes look like.

use std::{path::Path, sync::Arc, time::Duration};

use micro::registry::Memory;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{certificates::Pki, greeter};
use crate::raw::preface;

const GET: &[u8] = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// A connection inside TLS for which these protocols were offered.
async fn connect(address: &str, ca: &Path, offered: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let names = offered.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = names.collect();
    let io = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, io).await.unwrap()
}

/// The first bytes that come back for these, after which the connection may stay; none where it is closed.
async fn answer(address: &str, ca: &Path, offered: &[&str], sent: &[u8]) -> Vec<u8> {
    let mut io = connect(address, ca, offered).await;
    io.write_all(sent).await.unwrap();
    let mut answer = vec![0; 16];
    let read = timeout(Duration::from_secs(10), io.read(&mut answer)).await;
    answer.truncate(read.expect("it answers or closes").unwrap_or(0));
    answer
}

/// Whether these are the SETTINGS that a server of HTTP/2 begins with.
fn is_http2(answer: &[u8]) -> bool {
    matches!(answer, [0, 0, _, 4, ..])
}

fn is_http1(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 ")
}

#[tokio::test]
async fn negotiated_protocol_is_used() {
    let pki = Pki::new();
    let running = greeter(&Memory::new(), pki.server()).await;
    let (address, ca) = (&running.node().address, &pki.ca);
    let ask = async |offered: &[&str], sent: &[u8]| answer(address, ca, offered, sent).await;

    assert!(is_http2(&ask(&["h2"], HTTP2).await));
    assert!(is_http2(&ask(&["h2", "http/1.1"], HTTP2).await));
    for wrong in [GET, &preface(1024)] {
        let said = ask(&["h2"], wrong).await;
        assert!(said.is_empty() || is_http2(&said), "{said:x?}");
    }

    assert!(ask(&["http/1.1"], GET).await.starts_with(b"HTTP/1.1 200"));
    for wrong in [HTTP2, &preface(1024)] {
        let said = ask(&["http/1.1"], wrong).await;
        let is_refusal = said.starts_with(b"HTTP/1.1 4") || said.starts_with(b"HTTP/1.1 505");
        assert!(said.is_empty() || is_refusal, "{said:x?}");
    }

    let native = &preface(1024)[..4];
    assert!(ask(&["micro/1"], &preface(1024)).await.starts_with(native));
    for wrong in [GET, HTTP2] {
        let said = ask(&["micro/1"], wrong).await;
        assert!(said.is_empty() || said.starts_with(native), "{said:x?}");
    }
}

#[tokio::test]
async fn first_bytes_select_the_protocol_without_alpn() {
    let pki = Pki::new();
    let running = greeter(&Memory::new(), pki.server()).await;
    let (address, ca) = (&running.node().address, &pki.ca);
    assert!(is_http1(&answer(address, ca, &[], GET).await));
    assert!(is_http2(&answer(address, ca, &[], HTTP2).await));
    let native = answer(address, ca, &[], &preface(1024)).await;
    assert!(native.starts_with(&preface(1024)[..4]), "{native:x?}");
}
