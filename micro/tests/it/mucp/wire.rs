//! Requests by hand, as no client sends them.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{LONG, Pair};

/// A request for an endpoint with more header lines.
pub(super) fn call(endpoint: &str, lines: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nMicro-Endpoint: {endpoint}\r\n\
         {lines}Content-Length: {length}\r\n\r\n{body}"
    )
    .into()
}

/// The next reply: its head and body; `None` when the connection has ended.
pub(super) async fn reply(socket: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        let text = String::from_utf8_lossy(read).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if rest.len() >= length {
                let body = rest[..length].to_owned();
                read.drain(..head.len() + 4 + length);
                return Some((head.to_owned(), body));
            }
        }
        let more = timeout(LONG, socket.read_buf(read)).await.unwrap();
        if more.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Reads a request; whether one came.
pub(super) async fn request(socket: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    reply(socket, read).await.is_some()
}

async fn asked(pair: &Pair, request: impl AsRef<[u8]>) -> Option<(String, String)> {
    let mut socket = TcpStream::connect(&pair.running.node().address)
        .await
        .unwrap();
    socket.write_all(request.as_ref()).await.unwrap();
    reply(&mut socket, &mut Vec::new()).await
}

#[tokio::test]
async fn timeout_of_nothing_or_junk_is_none() {
    let pair = Pair::new().await;
    for (timeout, left) in [
        ("", "for ever"),
        ("Timeout: 0\r\n", "for ever"),
        ("Timeout: -5\r\n", "for ever"),
        ("Timeout: soon\r\n", "for ever"),
        ("Timeout: 5s\r\n", "for ever"),
        ("Timeout: 99999999999999999999\r\n", "for ever"),
    ] {
        let (_, body) = asked(&pair, call("Text.Left", timeout, "{}"))
            .await
            .unwrap();
        assert_eq!(body, format!("{{\"text\":\"{left}\"}}"), "{timeout}");
    }
    let far = call("Text.Left", "Timeout: 9223372036854775808\r\n", "{}");
    let (_, body) = asked(&pair, far).await.unwrap();
    assert!(body.len() > 20, "centuries: {body}");
    pair.running.stop().await;
}

#[tokio::test]
async fn pipelined_calls_are_answered_in_their_order() {
    let pair = Pair::new().await;
    let mut socket = TcpStream::connect(&pair.running.node().address)
        .await
        .unwrap();
    let mut all = Vec::new();
    for number in 0..200 {
        let body = format!("{{\"text\":\"{number}\"}}");
        all.extend(call("Text.Echo", &format!("Micro-Id: {number}\r\n"), &body));
    }
    socket.write_all(&all).await.unwrap();
    let mut read = Vec::new();
    for number in 0..200 {
        let (head, body) = reply(&mut socket, &mut read).await.unwrap();
        assert_eq!(body, format!("{{\"text\":\"{number}\"}}"));
        assert!(
            head.contains(&format!("\r\nmicro-id: {number}\r\n")),
            "{head}"
        );
        assert!(
            head.contains(&format!("\r\nx-micro-id: {number}")),
            "{head}"
        );
    }
    pair.running.stop().await;
}

#[tokio::test]
async fn request_parses_the_same_in_any_chunks() {
    let pair = Pair::new().await;
    let request = call("Text.Echo", "", "{\"text\":\"x\"}");
    for portion in [1, 3, 50] {
        let mut socket = TcpStream::connect(&pair.running.node().address)
            .await
            .unwrap();
        socket.set_nodelay(true).unwrap();
        for part in request.repeat(3).chunks(portion) {
            socket.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut read = Vec::new();
        for _ in 0..3 {
            let (_, body) = reply(&mut socket, &mut read).await.unwrap();
            assert_eq!(body, "{\"text\":\"x\"}", "in portions of {portion}");
        }
    }
    pair.running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_connection_closed() {
    let pair = Pair::with(|limits| limits.max_message_size = 100, false).await;
    let mut socket = TcpStream::connect(&pair.running.node().address)
        .await
        .unwrap();
    socket
        .write_all(&call("Text.Echo", "", "{}"))
        .await
        .unwrap();
    let mut read = Vec::new();
    reply(&mut socket, &mut read).await.unwrap();
    socket
        .write_all(b"POST / HTTP/1.1\r\nHost x\r\n\r\n")
        .await
        .unwrap();
    let (head, _) = reply(&mut socket, &mut read).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(reply(&mut socket, &mut read).await.is_none(), "closed");
    let large = call(
        "Text.Echo",
        "",
        &format!("{{\"text\":\"{}\"}}", "x".repeat(200)),
    );
    let (head, body) = asked(&pair, large).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(body.contains("limit `max_message_size` of 100"), "{body}");
    pair.running.stop().await;
}

#[tokio::test]
async fn envelopes_that_are_wrong_are_told_so() {
    let pair = Pair::new().await;
    let post = |content_type: &str, body: &str| {
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (content_type, body, code) in [
        ("application/json", "{bad", 400),
        ("application/json", "[]", 400),
        ("application/json", "{}", 400),
        (
            "application/json",
            "{\"method\":\"Text.Echo\",\"params\":[1,2],\"id\":1}",
            400,
        ),
        (
            "application/json",
            "{\"method\":\"No.Body\",\"params\":[{}],\"id\":1}",
            404,
        ),
        ("application/proto-rpc", "\0\0", 400),
        ("application/protobuf", "\0\0\0\u{9}x", 400),
    ] {
        let (head, _) = asked(&pair, post(content_type, body)).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let error = head
            .lines()
            .find_map(|line| line.strip_prefix("micro-error: "))
            .unwrap();
        let error: serde_json::Value = serde_json::from_str(error).unwrap();
        assert_eq!(error["code"], code, "{body}: {error}");
    }
    pair.running.stop().await;
}

#[tokio::test]
async fn plain_json_on_the_same_port_is_left_alone() {
    let pair = Pair::new().await;
    let body = "{\"text\":\"x\"}";
    let request = format!(
        "POST /Text.Echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (head, answer) = asked(&pair, request).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(answer, body);
    pair.running.stop().await;
}
