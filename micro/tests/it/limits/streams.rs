//! Credit, and readers that do not read.

use bytes::Bytes;
use micro::{Context, Streaming};
use tokio::net::TcpListener;

use super::{Under, method};
use crate::raw::{DATA, RESPONSE, Raw, STREAM, frame, head, preface, request};

#[tokio::test]
async fn stream_over_its_credit_closes_the_connection_with_the_reason() {
    let under = Under::start(|limits| limits.stream_window = 1000).await;
    let mut raw = Raw::greeted(under.address()).await;
    raw.send(&frame(1, STREAM, 1, &head("Limits.Slow", &[]), b""))
        .await;
    // The one that uses the credit up may be of any size; the next is one too many.
    for _ in 0..2 {
        raw.send(&frame(DATA, 0, 1, &[], &[7; 2000])).await;
    }
    let why = raw.farewell().await;
    assert!(why.contains("more than it was granted"), "{why}");
}

#[tokio::test]
async fn messages_above_and_below_the_window_size_arrive() {
    let under = Under::start(|limits| limits.stream_window = 10_000).await;
    let client = under.client(|_| {});
    let slow = client.method::<Streaming<Bytes>, Bytes>("limits", "Limits.Slow");
    let (sender, messages) = Streaming::channel(1);
    let sending = tokio::spawn(async move {
        for _ in 0..3 {
            sender.send(Bytes::from(vec![7; 300_000])).await.unwrap();
            for _ in 0..30 {
                sender.send(Bytes::from(vec![7; 1000])).await.unwrap();
            }
        }
    });
    assert_eq!(
        slow.call(&Context::new(), messages).await.unwrap(),
        "990000"
    );
    sending.await.unwrap();
}

#[tokio::test]
async fn unread_answers_pause_handlers_and_are_all_delivered() {
    let under = Under::start(|limits| limits.max_queued_bytes = 1 << 20).await;
    let mut raw = Raw::greeted(under.address()).await;
    let requests: Vec<u8> = (0..2000)
        .flat_map(|id| request(id, "Limits.Big", b"65536"))
        .collect();
    raw.send(&requests).await;
    let made = under.made_at_rest().await;
    // 125 MiB were asked for; what the system buffers and the limit of 1 MiB allow is a part of it.
    assert!(made < 500, "{made} answers were made for a reader of none");
    for _ in 0..2000 {
        let answer = raw.next().await.unwrap();
        assert_eq!((answer.kind, answer.body.len()), (RESPONSE, 65536));
    }
}

#[tokio::test]
async fn unread_answers_pause_pending_handlers() {
    let under = Under::start(|limits| limits.max_queued_bytes = 1 << 20).await;
    let mut raw = Raw::greeted(under.address()).await;
    let requests: Vec<u8> = (0..2000)
        .flat_map(|id| request(id, "Limits.Later", b"65536"))
        .collect();
    raw.send(&requests).await;
    let made = under.made_at_rest().await;
    assert!(made < 500, "{made} answers were made for a reader of none");
    for _ in 0..2000 {
        let answer = raw.next().await.unwrap();
        assert_eq!((answer.kind, answer.body.len()), (RESPONSE, 65536));
    }
}

#[tokio::test]
async fn unlimited_credit_leaves_the_server_queue_bounded() {
    let under = Under::start(|limits| limits.max_queued_bytes = 1 << 20).await;
    let mut raw = Raw::connect(under.address()).await;
    raw.send(&preface(u32::MAX)).await;
    raw.greeting().await;
    raw.send(&request(1, "Limits.Endless", b"65536")).await;
    let made = under.made_at_rest().await;
    assert!(made < 500, "{made} messages were made for a reader of none");
}

#[tokio::test]
async fn response_stream_dropped_early_is_cancelled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let under = Under::start(|_| {}).await;
    let client = under.client(|limits| {
        limits.idle_timeout = std::time::Duration::from_millis(100);
        limits.keepalive_interval = std::time::Duration::from_millis(50);
    });
    let server = tokio::spawn(async move {
        let mut raw = Raw::accepted(listener.accept().await.unwrap().0).await;
        let asked = raw.next().await.unwrap();
        let fine = [0, 0, 4, 0, 0, 0, 0, 0];
        raw.send(&frame(RESPONSE, STREAM, asked.id, &fine, &[]))
            .await;
        raw.send(&frame(DATA, 0, asked.id, &[], b"first")).await;
        let mut cancelled = false;
        while let Some(said) = raw.next().await {
            cancelled |= said.kind == 6 && said.id == asked.id;
            if said.kind == 7 {
                raw.send(&frame(8, 0, said.id, &[], &[])).await;
            }
        }
        cancelled
    });
    let endless = client.method::<Bytes, Streaming<Bytes>>("limits", "Limits.Endless");
    let call = endless
        .call(&Context::new(), Bytes::new())
        .address(&address);
    let mut answers = call.await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap(), "first");
    drop(answers);
    // The connection becomes idle and closes, which it could not with a stream remembered.
    assert!(server.await.unwrap());
    let echo = method(&client, "Limits.Echo");
    assert_eq!(echo.call(&Context::new(), "x".into()).await.unwrap(), "x");
}
