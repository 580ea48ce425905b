//! Messages, heads and calls over their limits.

use bytes::Bytes;
use micro::{Code, Context, Outcome};

use super::{Under, method};
use crate::raw::{CANCEL, Raw, frame, head, request};

const LIMIT: usize = 4 << 20;

#[tokio::test]
async fn message_over_the_limit_fails_alone_in_both_directions() {
    let under = Under::start(|_| {}).await;
    let client = under.client(|_| {});
    let cx = Context::new();
    let echo = method(&client, "Limits.Echo");
    let error = echo.call(&cx, vec![7; LIMIT + 1].into()).await.unwrap_err();
    assert!(
        error
            .message()
            .contains("4194305 bytes is over the limit `max_message_size`"),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::NotSent);
    let big = method(&client, "Limits.Big");
    let error = big.call(&cx, "4194305".into()).await.unwrap_err();
    assert!(
        error
            .message()
            .contains("limit `max_message_size` of 4194304"),
        "{error}"
    );
    assert_eq!(error.code(), Code::ResourceExhausted);
    let largest = Bytes::from(vec![7; LIMIT]);
    assert_eq!(echo.call(&cx, largest.clone()).await.unwrap(), largest);
}

#[tokio::test]
async fn server_refuses_a_too_large_message_and_keeps_the_connection() {
    let under = Under::start(|limits| limits.max_message_size = 1000).await;
    let mut raw = Raw::greeted(under.address()).await;
    raw.send(&request(1, "Limits.Echo", &[7; 1001])).await;
    let why = raw.refusal().await;
    assert!(
        why.contains("1001 bytes is over the limit `max_message_size` of 1000"),
        "{why}"
    );
    raw.is_alive().await;
}

#[tokio::test]
async fn request_sent_before_the_server_preface_fails_alone() {
    let under = Under::start(|limits| limits.max_message_size = 1000).await;
    let client = under.client(|_| {});
    let cx = Context::new();
    let echo = method(&client, "Limits.Echo");
    let large = echo.call(&cx, vec![7; 1 << 20].into()).await.unwrap_err();
    assert!(
        large.message().contains("limit `max_message_size` of 1000"),
        "{large}"
    );
    assert_eq!(echo.call(&cx, "small".into()).await.unwrap(), "small");
}

#[tokio::test]
async fn ten_thousand_headers_fail_by_name_both_ways() {
    let under = Under::start(|_| {}).await;
    let client = under.client(|_| {});
    let mut cx = Context::new();
    for number in 0..10_000 {
        cx.metadata_mut().append("name", &number.to_string());
    }
    let echo = method(&client, "Limits.Echo");
    let error = echo.call(&cx, "x".into()).await.unwrap_err();
    assert!(
        error
            .message()
            .contains("over the limit `max_head_size` of 16384"),
        "{error}"
    );
    assert_eq!(echo.call(&Context::new(), "x".into()).await.unwrap(), "x");

    let mut raw = Raw::greeted(under.address()).await;
    let more: Vec<u8> = (0..10_000).flat_map(|_| [99, 1, 0, 0]).collect();
    raw.send(&frame(1, 0, 1, &head("Limits.Echo", &more), b"x"))
        .await;
    let why = raw.refusal().await;
    assert!(
        why.contains("over the limit `max_head_size` of 16384"),
        "{why}"
    );
    raw.is_alive().await;
}

#[tokio::test]
async fn calls_over_the_limit_are_rejected_until_others_end() {
    let under = Under::start(|limits| limits.max_concurrent_calls = 2).await;
    let mut raw = Raw::greeted(under.address()).await;
    for id in 1..=3 {
        raw.send(&request(id, "Limits.Sleep", b"")).await;
    }
    let why = raw.refusal().await;
    assert!(
        why.contains("over the limit `max_concurrent_calls` of 2"),
        "{why}"
    );
    raw.send(&frame(CANCEL, 0, 1, &[], &[])).await;
    raw.send(&request(4, "Limits.Echo", b"x")).await;
    assert_eq!(raw.next().await.unwrap().body, b"x");
}

#[tokio::test]
async fn client_starts_no_more_calls_per_connection_than_its_limit() {
    let under = Under::start(|_| {}).await;
    let client = under.client(|limits| limits.max_concurrent_calls = 1);
    let cx = Context::new();
    let _sleeping = {
        let sleep = method(&client, "Limits.Sleep");
        tokio::spawn(async move { sleep.call(&Context::new(), Bytes::new()).await })
    };
    let echo = method(&client, "Limits.Echo");
    loop {
        let call = echo.call(&cx, "x".into());
        let (answer, record) = call
            .timeout(std::time::Duration::from_millis(300))
            .explain()
            .await;
        if let Err(error) = answer {
            let said = format!("{error} {record}");
            assert!(said.contains("limit `max_concurrent_calls` of 1"), "{said}");
            break;
        }
    }
}
