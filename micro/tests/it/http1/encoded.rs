//! Bodies of plain HTTP that say `Content-Encoding`.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use micro::{Context, Plugins, Running, Service, Socket, registry::Memory};

use super::{connect, field, read_one, send, status};

async fn echo() -> Running {
    let socket = Socket::new().limit(|limits| limits.max_message_size = 100_000);
    Service::new("echo")
        .plugins(Plugins::new().registry(Memory::new()).socket(socket))
        .handle("Echo.Text", async |cx: Context, text: String| {
            assert_eq!(cx.metadata().get("content-encoding"), None);
            Ok::<_, micro::Error>(text)
        })
        .handle("Echo.Bytes", async |_: Context, bytes: Bytes| {
            Ok::<_, micro::Error>(bytes)
        })
        .serve()
        .await
        .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request for an endpoint with this content type, encoding and body.
fn request(endpoint: &str, content_type: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /{endpoint} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n\
         Content-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn json(encoding: &str, body: &[u8]) -> Vec<u8> {
    request("Echo.Text", "application/json", encoding, body)
}

#[tokio::test]
async fn gzip_body_is_decoded_before_its_handler() {
    let running = echo().await;
    let mut socket = connect(&running).await;
    let body = gzip(b"\"hello\"");
    for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        send(&mut socket, json(encoding, &body)).await;
        let (head, answer) = read_one(&mut socket).await;
        assert_eq!((status(&head), &*answer), (200, "\"hello\""), "{encoding}");
    }
    for encoding in ["identity", "Identity", ""] {
        send(&mut socket, json(encoding, b"\"hello\"")).await;
        let (head, answer) = read_one(&mut socket).await;
        assert_eq!((status(&head), &*answer), (200, "\"hello\""), "{encoding}");
    }
    let octets = "application/octet-stream";
    send(
        &mut socket,
        request("Echo.Bytes", octets, "gzip", &gzip(b"raw")),
    )
    .await;
    let (head, answer) = read_one(&mut socket).await;
    assert_eq!((status(&head), &*answer), (200, "raw"));
    // In pieces, as a body that is not whole when its request is begun.
    let mut chunked = format!(
        "POST /Echo.Bytes HTTP/1.1\r\nHost: localhost\r\nContent-Type: {octets}\r\n\
         Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    send(&mut socket, &chunked).await;
    chunked.clear();
    for byte in gzip(b"in pieces") {
        chunked.extend_from_slice(b"1\r\n");
        chunked.push(byte);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    send(&mut socket, &chunked).await;
    let (head, answer) = read_one(&mut socket).await;
    assert_eq!((status(&head), &*answer), (200, "in pieces"));
    running.stop().await;
}

#[cfg(feature = "zstd")]
#[tokio::test]
async fn zstd_body_is_decoded_before_its_handler() {
    let running = echo().await;
    let mut socket = connect(&running).await;
    let body = zstd::stream::encode_all(&b"\"hello\""[..], 1).unwrap();
    send(&mut socket, json("zstd", &body)).await;
    let (head, answer) = read_one(&mut socket).await;
    assert_eq!((status(&head), &*answer), (200, "\"hello\""));
    running.stop().await;
}

#[tokio::test]
async fn unknown_content_encoding_is_415_with_the_supported_ones() {
    let running = echo().await;
    let twice = gzip(&gzip(b"\"hello\""));
    for encoding in ["br", "deflate", "gzip, gzip", "gzip, br", "snappy"] {
        let mut socket = connect(&running).await;
        send(&mut socket, json(encoding, &twice)).await;
        let (head, answer) = read_one(&mut socket).await;
        assert_eq!(status(&head), 415, "{encoding}: {answer}");
        let known = field(&head, "accept-encoding").unwrap();
        assert!(known.starts_with("gzip"), "{known}");
        assert!(answer.contains("\"unimplemented\""), "{answer}");
    }
    running.stop().await;
}

#[tokio::test]
async fn body_over_the_limit_once_decoded_is_413() {
    let running = echo().await;
    let octets = "application/octet-stream";
    for (body, expected) in [
        (gzip(&vec![b'x'; 100_000]), 200),
        (gzip(&vec![b'x'; 100_001]), 413),
        (gzip(&vec![0; 50 << 20]), 413),
        // Cut off, no gzip at all, and with something behind it.
        (gzip(b"hello")[..15].to_vec(), 400),
        (b"hello".to_vec(), 400),
        ([gzip(b"hello"), b"more".to_vec()].concat(), 400),
    ] {
        let mut socket = connect(&running).await;
        send(&mut socket, request("Echo.Bytes", octets, "gzip", &body)).await;
        let (head, answer) = read_one(&mut socket).await;
        assert_eq!(status(&head), expected, "{} bytes: {answer}", body.len());
    }
    running.stop().await;
}

#[tokio::test]
async fn encoded_body_of_a_go_micro_message_is_decoded() {
    let running = echo().await;
    let mut socket = connect(&running).await;
    let message = |encoding: &str, body: &[u8]| {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nMicro-Endpoint: Echo.Text\r\n\
             Content-Type: application/json\r\nContent-Encoding: {encoding}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    send(&mut socket, message("gzip", &gzip(b"\"hello\""))).await;
    let (_, answer) = read_one(&mut socket).await;
    assert_eq!(answer, "\"hello\"");
    send(&mut socket, message("br", b"\"hello\"")).await;
    let (head, _) = read_one(&mut socket).await;
    let error = field(&head, "micro-error").unwrap();
    assert!(error.contains("content encoding"), "{error}");
    running.stop().await;
}
