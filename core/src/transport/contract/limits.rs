//! Limits, and the errors beyond them.

use super::{Pair, Subject, error, feed, hanging_handler, next, request, response};
use crate::{
    Code, Context, Outcome,
    message::{Body, Request},
    net::Limits,
};

/// Limits that a test reaches.
pub(super) fn small() -> Limits {
    Limits {
        max_message_size: 1000,
        max_head_size: 500,
        max_concurrent_calls: 2,
        ..Limits::default()
    }
}

pub(super) async fn a_message_over_the_limit_is_not_sent(subject: Subject) {
    let pair = Pair::new(subject, async |request: Request| {
        Ok(response(request.into_parts().2))
    })
    .await;
    let fits = pair.call(request("Contract.Echo", vec![0; 1000])).await;
    assert!(fits.is_ok(), "{fits:?}");
    let error = error(pair.call(request("Contract.Echo", vec![0; 1001])).await);
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.message().contains("1000"), "names the limit: {error}");
    pair.close().await;
}

pub(super) async fn an_answer_over_the_limit_is_an_error(subject: Subject) {
    let pair = Pair::new(subject, async |_: Request| Ok(response(vec![0; 1001]))).await;
    let error = error(pair.call(request("Contract.Big", vec![])).await);
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.outcome(), Outcome::Answered);
    assert!(error.message().contains("1000"), "names the limit: {error}");
    pair.close().await;
}

pub(super) async fn a_streamed_message_over_the_limit_is_an_error(subject: Subject) {
    let pair = Pair::new(subject, async |request: Request| {
        Ok(response(Body::stream(request.into_parts().2.into_stream())))
    })
    .await;
    let (feed, body) = feed(2);
    let answer = pair.call(request("Contract.Echo", body)).await;
    let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
    let mut answers = answer.into_parts().1.into_stream();
    assert!(feed.send(Ok(vec![0; 1000].into())).await.is_ok());
    assert!(feed.send(Ok(vec![0; 1001].into())).await.is_ok());
    assert!(matches!(next(&mut answers).await, Some(Ok(_))), "it fits");
    match next(&mut answers).await {
        Some(Err(error)) => assert_eq!(error.code(), Code::InvalidArgument, "{error}"),
        _ => panic!("an error"),
    }
    pair.close().await;
}

pub(super) async fn a_head_over_the_limit_is_not_sent(subject: Subject) {
    let pair = Pair::new(subject, async |_: Request| Ok(response(Body::empty()))).await;
    let context = Context::new().with("letter", "x".repeat(600));
    let error = error(
        pair.call(request("Contract.Read", vec![]).with_context(context))
            .await,
    );
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.message().contains("500"), "names the limit: {error}");
    pair.close().await;
}

pub(super) async fn calls_over_the_limit_are_refused_unharmed(subject: Subject) {
    let (mut hanging_handler, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    let calls = async {
        tokio::join!(
            pair.call(request("Contract.Hang", vec![])),
            pair.call(request("Contract.Hang", vec![]))
        )
    };
    let refused = async {
        drop((hanging_handler.begun().await, hanging_handler.begun().await));
        error(pair.call(request("Contract.Hang", vec![])).await)
    };
    let error = tokio::select! {
        answers = calls => panic!("no answers: {answers:?}"),
        error = refused => error,
    };
    assert_eq!(error.code(), Code::ResourceExhausted);
    let harmless = matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected);
    assert!(harmless, "{error}");
    pair.close().await;
}
