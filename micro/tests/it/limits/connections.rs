//! How many connections there may be, how long they may be silent, and who closes them.

use std::time::Duration;

use bytes::Bytes;
use micro::{Client, Code, Context, Outcome};
use tokio::net::TcpListener;

use super::{Under, method};
use crate::raw::{PING, PONG, RESPONSE, Raw, frame};

const SHORT: Duration = Duration::from_millis(100);

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Answers what comes, and signs of life, until the client closes; how many calls it was.
async fn answer_all(listener: TcpListener) -> usize {
    let mut raw = Raw::accepted(listener.accept().await.unwrap().0).await;
    let mut calls = 0;
    while let Some(said) = raw.next().await {
        match said.kind {
            PING => raw.send(&frame(PONG, 0, said.id, &[], &[])).await,
            1 => {
                calls += 1;
                let fine = [0, 0, 4, 0, 0, 0, 0, 0];
                raw.send(&frame(RESPONSE, 0, said.id, &fine, b"y")).await;
            }
            _ => {}
        }
    }
    calls
}

async fn ask(client: &Client, address: &str) -> micro::Result<Bytes> {
    let echo = method(client, "Limits.Echo");
    echo.call(&Context::new(), "x".into())
        .address(address)
        .await
}

#[tokio::test]
async fn calls_to_a_silent_server_end_with_outcome_unknown() {
    let (listener, address) = listen().await;
    let under = Under::start(|_| {}).await;
    let client = under.client(|limits| {
        limits.keepalive_interval = SHORT;
        limits.keepalive_timeout = SHORT;
    });
    let silent = tokio::spawn(async move {
        let mut raw = Raw::accepted(listener.accept().await.unwrap().0).await;
        raw.ends().await;
    });
    let began = tokio::time::Instant::now();
    let error = ask(&client, &address).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.to_string().contains("no sign of life"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2));
    silent.await.unwrap();
}

#[tokio::test]
async fn client_queues_one_pong_while_its_server_reads_nothing() {
    const PINGS: u64 = 1_000_000;
    let (listener, address) = listen().await;
    let under = Under::start(|_| {}).await;
    let client = under.client(|_| {});
    let server = tokio::spawn(async move {
        let mut raw = Raw::accepted(listener.accept().await.unwrap().0).await;
        let asked = raw.next().await.unwrap();
        // Never reads meanwhile, whatever the client answers.
        for first in (0..PINGS).step_by(10_000) {
            let pings: Vec<u8> = (first..first + 10_000)
                .flat_map(|id| frame(PING, 0, id + 1, &[], &[]))
                .collect();
            raw.send(&pings).await;
        }
        let mut pongs = 0;
        loop {
            let said = raw.next().await.unwrap();
            pongs += u64::from(said.kind == PONG);
            if (said.kind, said.id) == (PONG, PINGS) {
                break;
            }
        }
        let fine = [0, 0, 4, 0, 0, 0, 0, 0];
        raw.send(&frame(RESPONSE, 0, asked.id, &fine, b"y")).await;
        raw.ends().await;
        pongs
    });
    let call = method(&client, "Limits.Echo");
    let call = call.call(&Context::new(), "x".into()).address(&address);
    let answer = call.timeout(Duration::from_secs(20)).await;
    assert_eq!(answer.unwrap(), "y");
    drop(client);
    let pongs = server.await.unwrap();
    assert!(pongs < PINGS / 10, "{pongs} pongs were queued");
}

#[tokio::test]
async fn server_reads_no_pings_while_its_pongs_are_not_read() {
    let under = Under::start(|_| {}).await;
    let mut raw = Raw::greeted(under.address()).await;
    let pings = frame(PING, 0, 7, &[], &[]).repeat(10_000);
    let mut sent = 0;
    let blocked = Duration::from_millis(500);
    while tokio::time::timeout(blocked, raw.send(&pings))
        .await
        .is_ok()
    {
        sent += pings.len();
        assert!(sent < 64 << 20, "the server still reads");
    }
}

#[tokio::test]
async fn silent_client_is_pinged_and_then_closed() {
    let under = Under::start(|limits| {
        limits.keepalive_interval = SHORT;
        limits.keepalive_timeout = SHORT;
    })
    .await;
    let mut raw = Raw::greeted(under.address()).await;
    assert_eq!(raw.next().await.unwrap().kind, PING);
    let why = raw.farewell().await;
    assert!(why.contains("no sign of life for 100ms"), "{why}");
}

#[tokio::test]
async fn connection_without_calls_is_closed_by_the_client() {
    let (listener, address) = listen().await;
    let under = Under::start(|_| {}).await;
    let client = under.client(|limits| {
        limits.idle_timeout = SHORT;
        limits.keepalive_interval = SHORT / 2;
    });
    let server = tokio::spawn(answer_all(listener));
    assert_eq!(ask(&client, &address).await.unwrap(), "y");
    assert_eq!(server.await.unwrap(), 1);
}

#[tokio::test]
async fn longest_idle_connection_is_closed_for_a_new_one() {
    let under = Under::start(|_| {}).await;
    let client = under.client(|limits| limits.max_connections = 2);
    let mut servers = Vec::new();
    for _ in 0..3 {
        let (listener, address) = listen().await;
        servers.push(tokio::spawn(answer_all(listener)));
        assert_eq!(ask(&client, &address).await.unwrap(), "y");
    }
    // The first one's was closed; the others' are open.
    assert_eq!(servers.remove(0).await.unwrap(), 1);
    assert!(servers.iter().all(|server| !server.is_finished()));
}

#[tokio::test]
async fn without_an_idle_connection_the_error_names_the_limit() {
    let (listener, address) = listen().await;
    let under = Under::start(|_| {}).await;
    let client = under.client(|limits| limits.max_connections = 1);
    let held = client.clone();
    let busy = tokio::spawn(async move { ask(&held, &address).await });
    let mut raw = Raw::accepted(listener.accept().await.unwrap().0).await;
    let asked = raw.next().await.unwrap();
    let error = ask(&client, under.address()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    assert!(
        error.to_string().contains("limit `max_connections` of 1"),
        "{error}"
    );
    let fine = [0, 0, 4, 0, 0, 0, 0, 0];
    raw.send(&frame(RESPONSE, 0, asked.id, &fine, b"y")).await;
    assert_eq!(busy.await.unwrap().unwrap(), "y");
    assert_eq!(ask(&client, under.address()).await.unwrap(), "x");
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_until_one_closes() {
    let under = Under::start(|limits| limits.max_accepted_connections = 2).await;
    let first = Raw::greeted(under.address()).await;
    let mut second = Raw::greeted(under.address()).await;
    Raw::connect(under.address()).await.ends().await;
    second.is_alive().await;
    drop(first);
    loop {
        let mut third = Raw::connect(under.address()).await;
        // Refused until the server has noticed that the first has ended.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut third.0, &crate::raw::preface(1)).await;
        let mut byte = [0];
        if matches!(
            tokio::io::AsyncReadExt::read(&mut third.0, &mut byte).await,
            Ok(1)
        ) {
            break;
        }
    }
}
