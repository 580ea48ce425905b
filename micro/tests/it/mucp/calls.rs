//! Calls of one message and one answer.

use std::time::Duration;

use micro::{Code, ContentType, Context, Outcome};

use super::{Pair, Text, text};

#[tokio::test]
async fn messages_of_every_size_come_back_bare_and_in_envelopes() {
    for old in [false, true] {
        let pair = Pair::with(|_| {}, old).await;
        for size in [0, 1, 5000, 70_000, 1 << 20] {
            let said = "ü".repeat(size / 2);
            let answer = pair.call("Text.Echo", &Context::new(), &said).await;
            assert_eq!(answer.unwrap(), said, "of {size} bytes, old: {old}");
        }
        pair.running.stop().await;
    }
}

#[tokio::test]
async fn error_arrives_with_code_text_and_origin() {
    for old in [false, true] {
        let pair = Pair::with(|_| {}, old).await;
        for number in 1..=16 {
            let answer = pair
                .call("Text.Fail", &Context::new(), &number.to_string())
                .await;
            let error = answer.unwrap_err();
            assert_eq!(error.code(), Code::from_number(number), "old: {old}");
            assert_eq!(error.outcome(), Outcome::Answered);
            assert_eq!(error.message(), "no <tea>\n\"left\" ü");
            assert_eq!(error.origin(), "kitchen");
        }
        let answer = pair.call("Text.Panic", &Context::new(), "").await;
        assert_eq!(answer.unwrap_err().code(), Code::Internal);
        pair.running.stop().await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_nothing_was_done() {
    let pair = Pair::new().await;
    let error = pair
        .call("Text.Nothing", &Context::new(), "")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(error.outcome(), Outcome::Rejected);
    pair.running.stop().await;
}

#[tokio::test]
async fn time_left_travels() {
    let pair = Pair::new().await;
    let cx = Context::new().with_timeout(Duration::from_secs(100));
    let left: u64 = pair
        .call("Text.Left", &cx, "")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!(left <= 100_000 && left > 90_000, "{left}");
    pair.running.stop().await;
}

#[tokio::test]
async fn concurrent_calls_use_separate_connections_that_are_reused() {
    let pair = Pair::new().await;
    let cx = Context::new();
    for _ in 0..3 {
        let all = (0..20).map(|number: i32| {
            let cx = &cx;
            let pair = &pair;
            async move {
                let said = number.to_string();
                assert_eq!(pair.call("Text.Echo", cx, &said).await.unwrap(), said);
            }
        });
        futures_join(all).await;
    }
    pair.running.stop().await;
}

async fn futures_join(all: impl IntoIterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        match all.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

#[tokio::test]
async fn json_of_go_s_kind_is_json_on_the_wire() {
    let pair = Pair::new().await;
    let method = pair
        .client
        .method::<Text, Text>("text", "Text.Echo")
        .content_type(ContentType::GoJson);
    let answer = method.call(&Context::new(), text("x")).await.unwrap();
    assert_eq!(answer, text("x"));
    pair.running.stop().await;
}

#[tokio::test]
async fn what_is_over_the_limit_is_not_sent() {
    let pair = Pair::with(|limits| limits.max_message_size = 1000, false).await;
    let cx = Context::new();
    let error = pair
        .call("Text.Echo", &cx, &"x".repeat(2000))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(pair.call("Text.Echo", &cx, "x").await.unwrap(), "x");
    pair.running.stop().await;
}
