//! One message each way.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Pair, Subject, bytes, error, request, response, text};
use crate::{
    Code, ContentType, Context, Criticality, Error, Outcome, Response, Trace, message::Request,
};

pub(super) async fn a_request_and_its_answer_arrive_whole(subject: Subject) {
    let trace = Trace::new([7; 16], [9; 8], 1);
    let pair = Pair::new(subject, move |request: Request| async move {
        assert_eq!(request.service(), "contract");
        assert_eq!(request.endpoint(), "Contract.Whole");
        assert_eq!(request.content_type(), &ContentType::Json);
        let context = request.context();
        assert_eq!(context.metadata().get("tenant"), Some("a"));
        assert_eq!(context.metadata().get("TENANT"), Some("a"), "without case");
        assert_eq!(context.criticality(), Criticality::Critical);
        assert_eq!(context.trace(), &trace);
        let body = request.into_parts().2.into_bytes()?;
        let own = ContentType::parse("application/x-own");
        let mut response = Response::new(own, [&body[..], b"!"].concat());
        response.metadata_mut().insert("zone", "west");
        Ok(response)
    })
    .await;
    let mut context = Context::new()
        .with_criticality(Criticality::Critical)
        .with_trace(trace);
    context.metadata_mut().insert("tenant", "a");
    for size in [0, 1, 70_000, 1 << 20] {
        let target = crate::Target::new("contract", "Contract.Whole");
        let request =
            Request::new(target, ContentType::Json, vec![b'x'; size]).with_context(context.clone());
        let answer = pair.call(request).await;
        let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
        assert_eq!(answer.content_type().as_str(), "application/x-own");
        assert_eq!(answer.metadata().get("zone"), Some("west"));
        let body = text(answer);
        assert_eq!(body.len(), size + 1);
        assert!(body.starts_with(&vec![b'x'; size]) && body.ends_with(b"!"));
    }
    pair.close().await;
}

pub(super) async fn an_error_arrives_with_all_it_says(subject: Subject) {
    let pair = Pair::new(subject, async |request: Request| {
        let outcome = match request.endpoint() {
            "Contract.Reject" => Outcome::Rejected,
            _ => Outcome::Answered,
        };
        let number = request.into_parts().2.into_bytes()?[0];
        let mut error = Error::new(Code::from_number(number), "no `tea` left")
            .with_outcome(outcome)
            .with_origin("kitchen")
            .with_retry_after(Duration::from_millis(1500));
        error.metadata_mut().insert("kettle", "cold");
        Err(error)
    })
    .await;
    let endpoints = [
        ("Contract.Fail", Outcome::Answered),
        ("Contract.Reject", Outcome::Rejected),
    ];
    for (endpoint, outcome) in endpoints {
        for number in 1..=16 {
            let error = error(pair.call(request(endpoint, vec![number])).await);
            assert_eq!(error.code().number(), number);
            assert_eq!(error.outcome(), outcome);
            assert_eq!(error.message(), "no `tea` left");
            assert_eq!(error.origin(), "kitchen");
            assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
            assert_eq!(error.metadata().get("kettle"), Some("cold"));
        }
    }
    pair.close().await;
}

pub(super) async fn answers_find_their_calls(subject: Subject) {
    let pair = Pair::new(subject, async |request: Request| {
        let body = request.into_parts().2.into_bytes()?;
        // Responses overtake each other.
        for _ in 0..body[0] % 7 {
            tokio::task::yield_now().await;
        }
        Ok(response(body))
    })
    .await;
    let pair = std::sync::Arc::new(pair);
    let mut calls = JoinSet::new();
    for number in 0..=255 {
        let pair = pair.clone();
        calls.spawn(async move {
            for _ in 0..8 {
                let answer = pair.call(request("Contract.Echo", vec![number])).await;
                let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
                assert_eq!(text(answer), bytes_of(number));
            }
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap_or_else(|panic| panic!("a call failed: {panic}"));
    }
}

fn bytes_of(number: u8) -> Vec<u8> {
    vec![number]
}

pub(super) async fn time_and_attempts_left_arrive(subject: Subject) {
    let pair = Pair::new(subject, async |request: Request| {
        let left = request.context().time_left();
        let left = left.map_or(0, |left| left.as_millis());
        let attempts = request.context().attempts_left();
        Ok(response(bytes(&format!("{left} {attempts:?}"))))
    })
    .await;
    let endless = pair.call(request("Contract.Left", vec![])).await;
    let endless = endless.unwrap_or_else(|error| panic!("an answer: {error}"));
    assert_eq!(text(endless), "0 Some(4)");
    let context = Context::new().with_timeout(Duration::from_secs(60));
    let limited = request("Contract.Left", vec![]).with_context(context);
    let limited = pair.call(limited).await;
    let limited = text(limited.unwrap_or_else(|error| panic!("an answer: {error}")));
    let millis = limited.split(|byte| *byte == b' ').next();
    let millis = millis.and_then(|millis| std::str::from_utf8(millis).ok()?.parse().ok());
    assert!(
        (50_000..=60_000).contains(&millis.unwrap_or(0)),
        "time left: {limited:?}"
    );
    pair.close().await;
}
