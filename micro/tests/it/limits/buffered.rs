//! Bytes that are held for peers, of every protocol: refused over their limits, shown in the metrics.

use std::time::Duration;

use bytes::Bytes;
use micro::{Code, Context, Outcome, Streaming};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Under, method};
use crate::raw::{CANCEL, DATA, RESPONSE, Raw, STREAM, frame, head, request};

const LONG: Duration = Duration::from_secs(20);
const BODY: usize = 60_000;

/// A request over HTTP/1.1.
fn post(path: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n\
         {lines}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What comes until this is in it.
async fn until(socket: &mut TcpStream, what: &str) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if text.contains(what) {
            return text;
        }
        let more = tokio::time::timeout(LONG, socket.read_buf(&mut read)).await;
        assert_ne!(more.unwrap().unwrap(), 0, "ended before `{what}`: {text}");
    }
}

/// The value of a metric.
async fn metric(under: &Under, name: &str) -> u64 {
    let mut socket = TcpStream::connect(under.address()).await.unwrap();
    let asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(asked).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .parse()
        .unwrap()
}

/// Waits until a metric is so.
async fn becomes(under: &Under, is: impl Fn(u64) -> bool) {
    let waited = async {
        while !is(metric(under, "micro_buffered_bytes").await) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waited).await.unwrap();
}

#[tokio::test]
async fn bodies_over_the_limit_of_a_connection_are_rejected() {
    let under = Under::start(|limits| limits.max_buffered_bytes = 100_000).await;
    let mut raw = Raw::greeted(under.address()).await;
    for id in 1..=4 {
        raw.send(&request(id, "Limits.Sleep", &[7; BODY])).await;
    }
    let why = raw.refusal().await;
    assert!(
        why.contains("limit `max_buffered_bytes` of 100000"),
        "{why}"
    );
    // Another connection has its own.
    let mut other = Raw::greeted(under.address()).await;
    other.send(&request(1, "Limits.Echo", &[7; BODY])).await;
    assert_eq!(other.next().await.unwrap().body.len(), BODY);
    becomes(&under, |bytes| bytes > 50_000).await;
    for id in 1..=4 {
        raw.send(&frame(CANCEL, 0, id, &[], &[])).await;
    }
    becomes(&under, |bytes| bytes == 0).await;
    raw.send(&request(5, "Limits.Echo", &[7; BODY])).await;
    loop {
        let answer = raw.next().await.unwrap();
        assert_eq!(answer.kind, RESPONSE);
        if answer.id == 5 {
            break assert_eq!(answer.body.len(), BODY);
        }
    }
}

#[tokio::test]
async fn bodies_over_the_limit_of_a_server_are_rejected() {
    let under = Under::start(|limits| limits.max_server_buffered_bytes = 100_000).await;
    let mut first = Raw::greeted(under.address()).await;
    first.send(&request(1, "Limits.Sleep", &[7; BODY])).await;
    becomes(&under, |bytes| bytes >= BODY as u64).await;
    let mut second = Raw::greeted(under.address()).await;
    second
        .send(&request(1, "Limits.Sleep", &[7; 2 * BODY]))
        .await;
    second.send(&request(2, "Limits.Echo", &[7; BODY])).await;
    let why = second.refusal().await;
    assert!(
        why.contains("limit `max_server_buffered_bytes` of 100000"),
        "{why}"
    );
    drop(first);
}

#[tokio::test]
async fn body_over_the_budget_is_dropped_and_its_connection_kept() {
    let under = Under::start(|limits| limits.max_buffered_bytes = 100_000).await;
    let mut raw = Raw::greeted(under.address()).await;
    raw.send(&request(1, "Limits.Echo", &[7; 3 << 20])).await;
    let why = raw.refusal().await;
    assert!(why.contains("limit `max_buffered_bytes`"), "{why}");
    raw.is_alive().await;
    raw.send(&request(2, "Limits.Echo", b"x")).await;
    assert_eq!(raw.next().await.unwrap().body, b"x");
}

#[tokio::test]
async fn stream_waits_for_bytes_and_continues() {
    let under = Under::start(|limits| limits.max_server_buffered_bytes = 200_000).await;
    let client = under.client(|_| {});
    let slow = client.method::<Streaming<Bytes>, Bytes>("limits", "Limits.Slow");
    let (sender, messages) = Streaming::channel(1);
    let sending = tokio::spawn(async move {
        for _ in 0..100 {
            sender.send(Bytes::from(vec![7; 10_000])).await.unwrap();
        }
    });
    let answer = slow.call(&Context::new(), messages).await.unwrap();
    assert_eq!(answer, "1000000");
    sending.await.unwrap();
    becomes(&under, |bytes| bytes == 0).await;
}

#[tokio::test]
async fn stream_fails_when_its_credit_is_far_over_the_limit() {
    let under = Under::start(|limits| limits.max_buffered_bytes = 50_000).await;
    let mut raw = Raw::greeted(under.address()).await;
    let stream = frame(1, STREAM, 1, &head("Limits.Slow", &[]), b"");
    let messages = frame(DATA, 0, 1, &[], &[7; 5_000]).repeat(40);
    raw.send(&[stream, messages].concat()).await;
    loop {
        let said = raw.next().await.unwrap();
        if said.kind == RESPONSE {
            let why = said.failure().1;
            break assert!(why.contains("limit `max_buffered_bytes`"), "{why}");
        }
    }
    becomes(&under, |bytes| bytes == 0).await;
}

#[tokio::test]
async fn bodies_over_the_limit_are_rejected_over_http1() {
    let under = Under::start(|limits| limits.max_server_buffered_bytes = 150_000).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(under.address()).await.unwrap();
        let asked = post("/Limits.Sleep", "", &[7; BODY]);
        socket.write_all(&asked).await.unwrap();
        let held_before = held.len() as u64;
        becomes(&under, |bytes| bytes >= (held_before + 1) * BODY as u64).await;
        held.push(socket);
    }
    let mut socket = TcpStream::connect(under.address()).await.unwrap();
    let asked = post("/Limits.Echo", "", &[7; BODY]);
    socket.write_all(&asked).await.unwrap();
    let told = until(&mut socket, "max_server_buffered_bytes").await;
    assert!(told.starts_with("HTTP/1.1 429"), "{told}");
    assert!(told.contains("micro-outcome: rejected"), "{told}");
    drop(held);
    becomes(&under, |bytes| bytes == 0).await;
}

#[tokio::test]
async fn half_bodies_count_over_http1() {
    let under = Under::start(|_| {}).await;
    let mut socket = TcpStream::connect(under.address()).await.unwrap();
    let asked = post("/Limits.Echo", "", &vec![7; 1 << 20]);
    socket.write_all(&asked[..400_000]).await.unwrap();
    becomes(&under, |bytes| bytes > 200_000).await;
    drop(socket);
    becomes(&under, |bytes| bytes == 0).await;
}

#[tokio::test]
async fn bodies_over_the_limit_are_rejected_over_mucp() {
    let under = Under::start(|limits| limits.max_buffered_bytes = 100_000).await;
    let mut socket = TcpStream::connect(under.address()).await.unwrap();
    let asked = |endpoint: &str| {
        let lines = format!("Micro-Endpoint: {endpoint}\r\n");
        post("/", &lines, &[7; BODY])
    };
    for endpoint in ["Limits.Echo", "Limits.Sleep", "Limits.Sleep"] {
        socket.write_all(&asked(endpoint)).await.unwrap();
    }
    until(&mut socket, "\r\n\r\n").await;
    becomes(&under, |bytes| bytes > 100_000).await;
    drop(socket);
    becomes(&under, |bytes| bytes == 0).await;
}

#[tokio::test]
async fn unread_mucp_answers_pause_handlers() {
    for endpoint in ["Limits.Big", "Limits.Later"] {
        let under = Under::start(|limits| limits.max_queued_bytes = 1 << 20).await;
        let mut socket = TcpStream::connect(under.address()).await.unwrap();
        let lines = format!("Micro-Endpoint: {endpoint}\r\n");
        let requests = post("/", &lines, b"262144").repeat(1000);
        socket.write_all(&requests).await.unwrap();
        let made = under.made_at_rest().await;
        assert!(made < 120, "{made} answers were made for a reader of none");
        let mut read = 0;
        let mut buffer = vec![0; 1 << 20];
        while read < 1000 * 262_144 {
            let more = tokio::time::timeout(LONG, socket.read(&mut buffer)).await;
            read += more.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn unread_answers_are_counted_in_the_metrics() {
    let under = Under::start(|limits| limits.max_queued_bytes = 1 << 20).await;
    let mut raw = Raw::greeted(under.address()).await;
    for id in 0..400 {
        raw.send(&request(id, "Limits.Later", b"65536")).await;
    }
    becomes(&under, |bytes| bytes > 100_000).await;
    drop(raw);
    becomes(&under, |bytes| bytes == 0).await;
}

#[tokio::test]
async fn connections_over_the_limit_are_counted_in_the_metrics() {
    let under = Under::start(|limits| limits.max_accepted_connections = 2).await;
    let first = Raw::greeted(under.address()).await;
    let second = Raw::greeted(under.address()).await;
    Raw::connect(under.address()).await.ends().await;
    drop((first, second));
    let waited = async {
        loop {
            let asked = tokio::spawn(refused(under.address().to_owned()));
            if let Ok(Some(count)) = asked.await {
                break count;
            }
        }
    };
    assert!(tokio::time::timeout(LONG, waited).await.unwrap() >= 1);
}

/// How many connections were refused; `None` for one that is itself refused.
async fn refused(address: String) -> Option<u64> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(asked).await.ok()?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await.ok()?;
    let name = "micro_connections_refused_total ";
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.parse().ok()
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn bodies_over_the_limit_are_rejected_over_grpc() {
    let under = Under::start(|limits| limits.max_server_buffered_bytes = 150_000).await;
    let plugins = micro::Plugins::new().registry(micro::registry::Memory::new());
    let client = plugins.transport(micro::protocols::Grpc::new()).client();
    let client = client.unwrap();
    let sleep = method(&client, "Limits.Sleep");
    let mut held = Vec::new();
    for count in 1..=2 {
        let (sleep, address) = (sleep.clone(), under.address().to_owned());
        held.push(tokio::spawn(async move {
            let cx = Context::new();
            let call = sleep.call(&cx, vec![7; BODY].into());
            call.address(&address).timeout(LONG).await
        }));
        becomes(&under, |bytes| bytes >= count * BODY as u64).await;
    }
    let echo = method(&client, "Limits.Echo");
    let call = echo.call(&Context::new(), vec![7; BODY].into());
    let call = call.address(under.address());
    let error = call.timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
    held.iter().for_each(|call| call.abort());
    becomes(&under, |bytes| bytes == 0).await;
}
