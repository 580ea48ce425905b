//! The life of a server's connection: pipelining, slowness, limits, leaving.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{Context, Plugins, Service, registry::Memory};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::timeout,
};

use super::{LONG, connect, field, greeter, post, read_all, read_one, send, status};

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    let mut bytes = String::new();
    for number in 0..200 {
        // Some of them wait, and are answered before those after them all the same.
        let wait = if number % 50 == 0 { 20 } else { 0 };
        let body = format!("{{\"name\":\"<{number}>\",\"wait_ms\":{wait}}}");
        bytes += &post("/Greeter.Hello", &body);
    }
    bytes = bytes.trim_end().to_owned();
    bytes += "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (mut reading, mut writing) = socket.split();
    let write = async { writing.write_all(bytes.as_bytes()).await.unwrap() };
    let mut all = String::new();
    let read = async {
        timeout(LONG, reading.read_to_string(&mut all))
            .await
            .unwrap()
            .unwrap()
    };
    tokio::join!(write, read);
    let mut rest = all.as_str();
    for number in 0..200 {
        let expected = format!("{{\"text\":\"Hello <{number}>\"}}");
        let at = rest
            .find(&expected)
            .unwrap_or_else(|| panic!("{number} is not in order"));
        rest = &rest[at + expected.len()..];
    }
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 201);
    running.stop().await;
}

#[tokio::test]
async fn expect_continue_is_answered_with_100() {
    let running = greeter(|_| {}).await;
    for framing in [
        "Content-Length: 2",
        "Transfer-Encoding: chunked",
        "Content-Length: 100000",
    ] {
        let mut socket = connect(&running).await;
        let head = format!(
            "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Expect: 100-Continue\r\n{framing}\r\n\r\n"
        );
        send(&mut socket, head).await;
        let (head, _) = read_one(&mut socket).await;
        assert_eq!(status(&head), 100, "{framing}");
        let body = match framing {
            "Content-Length: 2" => "{}".to_owned(),
            "Content-Length: 100000" => format!("{{}}{}", " ".repeat(99_998)),
            _ => "2\r\n{}\r\n0\r\n\r\n".to_owned(),
        };
        send(&mut socket, body).await;
        let (head, _) = read_one(&mut socket).await;
        assert_eq!(status(&head), 200, "{framing}");
    }
    running.stop().await;
}

#[tokio::test]
async fn refused_expectation_ends_the_connection_without_the_body() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    let head = "POST /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
        Content-Length: 100000\r\n\r\n";
    send(&mut socket, head).await;
    let answer = read_all(&mut socket).await;
    assert_eq!(status(&answer), 404, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn head_returns_no_body() {
    let running = greeter(|_| {}).await;
    let mut socket = connect(&running).await;
    send(&mut socket, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (full, body) = read_one(&mut socket).await;
    let both = "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\nHEAD /health HTTP/1.1\r\nHost: a\r\n\
        Connection: close\r\n\r\n";
    send(&mut socket, both).await;
    let answers = read_all(&mut socket).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let length = field(&full, "content-length").unwrap();
    assert_eq!(length, body.len().to_string());
    assert!(answers.contains(&format!("content-length: {length}\r\n")));
    assert!(
        answers.ends_with("\r\n\r\n") && !answers.contains('{'),
        "{answers}"
    );
    running.stop().await;
}

#[tokio::test]
async fn version_and_connection_header_decide_whether_it_is_kept() {
    let running = greeter(|_| {}).await;
    for (version, connection, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo, CLOSE\r\n", false),
        ("1.1", "Connection: foo\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let mut socket = connect(&running).await;
        let request = format!("GET /health HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        send(&mut socket, request).await;
        let (head, _) = read_one(&mut socket).await;
        let said = field(&head, "connection");
        let expected = match (kept, version) {
            (false, _) => Some("close"),
            (true, "1.0") => Some("keep-alive"),
            (true, _) => None,
        };
        assert_eq!(said, expected, "{version} {connection}");
        if kept {
            send(&mut socket, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
            read_one(&mut socket).await;
        } else {
            assert_eq!(read_all(&mut socket).await, "");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn late_request_is_answered_with_408() {
    let short = Duration::from_millis(200);
    let running = greeter(|limits| {
        limits.handshake_timeout = short;
        limits.frame_timeout = short;
    })
    .await;
    for begun in [
        "POST /Greeter.Hello HTT",
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\n",
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{",
    ] {
        let mut socket = connect(&running).await;
        send(&mut socket, begun).await;
        let answer = read_all(&mut socket).await;
        assert_eq!(status(&answer), 408, "{begun}: {answer}");
    }
    // Byte by byte does not help.
    let mut socket = connect(&running).await;
    let (mut reading, mut writing) = socket.split();
    let write = async {
        while writing
            .write_all(b"POST /Greeter.Hello HTTP/1.1\r\nA: ")
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    let read = async { timeout(LONG, reading.read_to_end(&mut answer)).await };
    tokio::select! {
        () = write => {}
        read = read => drop(read.unwrap()),
    }
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    running.stop().await;
}

#[tokio::test]
async fn unknown_protocol_is_closed() {
    let running = greeter(|_| {}).await;
    for garbage in [
        &b"\0\0\0\0"[..],
        b"{\"a\":1}\n",
        b"(GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\r\n",
    ] {
        let mut socket = connect(&running).await;
        send(&mut socket, garbage).await;
        assert_eq!(read_all(&mut socket).await, "");
    }
    running.stop().await;
}

#[tokio::test]
async fn idle_connection_is_closed_without_a_response() {
    let running = greeter(|limits| {
        limits.idle_timeout = Duration::from_millis(100);
        limits.keepalive_interval = Duration::from_millis(100);
    })
    .await;
    let mut socket = connect(&running).await;
    send(&mut socket, post("/Greeter.Hello", "{}")).await;
    read_one(&mut socket).await;
    assert_eq!(read_all(&mut socket).await, "");
    running.stop().await;
}

/// Says whether it was dropped amid its work.
struct Dropped(Arc<AtomicBool>, Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
        self.1.notify_one();
    }
}

#[tokio::test]
async fn handler_is_cancelled_when_its_client_disconnects() {
    let begun = Arc::new(Notify::new());
    let ended = Arc::new(Notify::new());
    let (begin, end) = (begun.clone(), ended.clone());
    let forever = move |_: Context, (): ()| {
        let guard = Dropped(Arc::default(), end.clone());
        begin.notify_one();
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Ok::<_, micro::Error>(())
        }
    };
    let running = Service::new("sleeper")
        .allow_host("a")
        .plugins(Plugins::new().registry(Memory::new()))
        .handle("Sleeper.Sleep", forever)
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .serve()
        .await
        .unwrap();
    let mut socket = connect(&running).await;
    send(&mut socket, post("/Sleeper.Sleep", "")).await;
    timeout(LONG, begun.notified()).await.unwrap();
    drop(socket);
    timeout(LONG, ended.notified()).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn stopping_server_loses_no_request() {
    let running = greeter(|_| {}).await;
    let mut busy = connect(&running).await;
    send(
        &mut busy,
        post("/Greeter.Hello", "{\"name\":\"late\",\"wait_ms\":300}"),
    )
    .await;
    let mut idle = connect(&running).await;
    send(&mut idle, post("/Greeter.Hello", "{}")).await;
    read_one(&mut idle).await;
    let answered = async {
        let (head, body) = read_one(&mut busy).await;
        assert_eq!(body, "{\"text\":\"Hello late\"}");
        assert_eq!(field(&head, "connection"), Some("close"));
        assert_eq!(read_all(&mut busy).await, "");
    };
    let closed = async { assert_eq!(read_all(&mut idle).await, "") };
    tokio::join!(running.stop(), answered, closed);
}

#[tokio::test]
async fn body_over_the_limit_is_413_in_every_framing() {
    let running = greeter(|limits| limits.max_message_size = 100_000).await;
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let by_length = post("/Greeter.Hello", &large);
    let chunked = format!(
        "POST /Greeter.Hello HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n",
        large.len()
    );
    for request in [by_length, chunked] {
        let mut socket = connect(&running).await;
        let (mut reading, mut writing) = socket.split();
        let write = async { drop(writing.write_all(request.as_bytes()).await) };
        let mut answer = Vec::new();
        let read = async {
            drop(
                timeout(LONG, reading.read_to_end(&mut answer))
                    .await
                    .unwrap(),
            )
        };
        tokio::join!(write, read);
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(status(&answer), 413, "{answer}");
        assert!(answer.contains("limit `max_message_size`"), "{answer}");
    }
    let mut socket = connect(&running).await;
    let fits = format!("{{\"name\":\"{}\"}}", "x".repeat(90_000));
    send(&mut socket, post("/Greeter.Hello", &fits)).await;
    let (head, body) = read_one(&mut socket).await;
    assert_eq!((status(&head), body.len()), (200, 90_000 + 17));
    running.stop().await;
}
