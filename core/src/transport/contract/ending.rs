//! How calls and servers end early.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Pair, Subject, TEST_TIMEOUT, attempt, error, feed, hanging_handler, next, request, response,
    soon,
};
use crate::{
    Code, Context, Outcome, Result,
    call::Answer,
    message::{Body, BodyStream, Request, Response},
    time,
};

/// Enough for a request to arrive, little enough to wait for.
const SHORT_WAIT: Duration = Duration::from_millis(200);

pub(super) async fn the_deadline_ends_a_call_and_its_handler(subject: Subject) {
    let (mut hanging_handler, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    let context = Context::new().with_timeout(SHORT_WAIT);
    let call = pair.call(request("Contract.Hang", vec![]).with_context(context));
    let (answer, dropped) = tokio::join!(call, hanging_handler.begun());
    let error = error(answer);
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.outcome(), Outcome::Unknown);
    dropped.await;
    pair.close().await;
}

/// A streaming response, and its sender.
struct ResponseFeed {
    feeds: mpsc::Receiver<mpsc::Sender<Result<Bytes>>>,
}

/// A handler with such responses.
fn streaming_handler() -> (
    ResponseFeed,
    impl Fn(Request) -> Answer + Send + Sync + 'static,
) {
    let (tell, feeds) = mpsc::channel(1);
    let handler = move |_: Request| -> Answer {
        let (feed, body) = feed(1);
        let told = tell.try_send(feed);
        Box::pin(async move {
            assert!(told.is_ok(), "the test waits for it");
            Ok(response(body))
        })
    };
    (ResponseFeed { feeds }, handler)
}

impl ResponseFeed {
    /// The stream of a response that has begun, and its sender.
    async fn begun(
        &mut self,
        answer: Result<Response>,
    ) -> (BodyStream, mpsc::Sender<Result<Bytes>>) {
        let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
        let mut ticks = answer.into_parts().1.into_stream();
        let feed = soon(self.feeds.recv()).await;
        let feed = feed.unwrap_or_else(|| panic!("the handler is gone"));
        assert!(feed.send(Ok("tick".into())).await.is_ok());
        assert!(matches!(next(&mut ticks).await, Some(Ok(_))));
        (ticks, feed)
    }
}

pub(super) async fn the_deadline_ends_a_stream_on_both_sides(subject: Subject) {
    let (mut streaming_handler, handler) = streaming_handler();
    let pair = Pair::new(subject, handler).await;
    let (_requests, body) = feed(1);
    for body in [Body::empty(), body] {
        let context = Context::new().with_timeout(SHORT_WAIT);
        let request = request("Contract.Tick", body).with_context(context.clone());
        let (mut ticks, feed) = streaming_handler.begun(pair.call(request).await).await;
        match next(&mut ticks).await {
            Some(Err(error)) => assert_eq!(error.code(), Code::DeadlineExceeded, "{error}"),
            _ => panic!("an error at the deadline"),
        }
        assert_eq!(context.time_left(), Some(Duration::ZERO), "not before");
        soon(feed.closed()).await;
        assert!(next(&mut ticks).await.is_none(), "nothing after an error");
    }
    pair.close().await;
}

pub(super) async fn an_attempt_s_own_deadline_is_for_the_head(subject: Subject) {
    let (mut streaming_handler, handler) = streaming_handler();
    let pair = Pair::new(subject, handler).await;
    let mut attempt = attempt();
    attempt.deadline = attempt.now + time::nanos(SHORT_WAIT);
    let answer = pair.attempt(request("Contract.Tick", vec![]), attempt);
    let (mut ticks, feed) = streaming_handler.begun(answer.await).await;
    tokio::time::sleep(SHORT_WAIT * 2).await;
    assert!(feed.send(Ok("tock".into())).await.is_ok());
    assert!(matches!(next(&mut ticks).await, Some(Ok(_))));
    pair.close().await;
}

pub(super) async fn a_head_that_does_not_come_is_waited_for_to_the_attempt_s_end(subject: Subject) {
    let (mut hanging_handler, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    let mut attempt = attempt();
    attempt.deadline = attempt.now + time::nanos(SHORT_WAIT);
    let (_requests, body) = feed(1);
    let call = pair.attempt(request("Contract.Hang", body), attempt);
    let (answer, dropped) = tokio::join!(call, hanging_handler.begun());
    assert_eq!(error(answer).code(), Code::DeadlineExceeded);
    dropped.await;
    pair.close().await;
}

pub(super) async fn only_a_repeatable_attempt_times_out(subject: Subject) {
    let (mut hanging_handler, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    let mut attempt = attempt();
    attempt.timeout_at = time::now() + time::nanos(SHORT_WAIT);
    attempt.repeatable = true;
    let context = Context::new().with_timeout(SHORT_WAIT * 3);
    let request = || request("Contract.Hang", vec![]).with_context(context.clone());
    let call = pair.attempt(request(), attempt);
    let (answer, dropped) = tokio::join!(call, hanging_handler.begun());
    let impatient = error(answer);
    assert_eq!(impatient.code(), Code::Unavailable);
    assert_eq!(impatient.outcome(), Outcome::Unknown);
    assert!(context.time_left() > Some(Duration::ZERO), "time is left");
    dropped.await;
    attempt.repeatable = false;
    let call = pair.attempt(request(), attempt);
    let (answer, _) = tokio::join!(call, hanging_handler.begun());
    assert_eq!(error(answer).code(), Code::DeadlineExceeded);
    pair.close().await;
}

pub(super) async fn dropping_a_call_cancels_its_handler(subject: Subject) {
    let (mut hanging_handler, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    let dropped = tokio::select! {
        answer = pair.call(request("Contract.Hang", vec![])) => panic!("no answer: {answer:?}"),
        dropped = hanging_handler.begun() => dropped,
    };
    dropped.await;
    pair.close().await;
}

pub(super) async fn dropping_an_answered_stream_cancels_it(subject: Subject) {
    let (tell, mut feeds) = tokio::sync::mpsc::channel(1);
    let pair = Pair::new(subject, move |_: Request| {
        let tell = tell.clone();
        async move {
            let (feed, body) = feed(1);
            let told = tell.send(feed).await;
            assert!(told.is_ok(), "the test waits for it");
            Ok(response(body))
        }
    })
    .await;
    let answer = pair.call(request("Contract.Tick", vec![])).await;
    let answer = answer.unwrap_or_else(|error| panic!("an answer: {error}"));
    let feed = soon(feeds.recv()).await;
    let feed = feed.unwrap_or_else(|| panic!("the handler is gone"));
    assert!(feed.send(Ok("tick".into())).await.is_ok());
    let mut ticks = answer.into_parts().1.into_stream();
    assert!(matches!(next(&mut ticks).await, Some(Ok(_))));
    drop(ticks);
    soon(feed.closed()).await;
    pair.close().await;
}

pub(super) async fn going_away_lets_calls_end_and_takes_no_more(subject: Subject) {
    let (tell, mut begun) = tokio::sync::mpsc::channel(1);
    let pair = Pair::new(subject, move |_: Request| {
        let tell = tell.clone();
        async move {
            let (sender, go_on) = tokio::sync::oneshot::channel::<()>();
            let told = tell.send(sender).await;
            assert!(told.is_ok(), "the test waits for it");
            let _ = go_on.await;
            Ok(response(Body::empty()))
        }
    })
    .await;
    let began = tokio::time::Instant::now();
    let slow = pair.call(request("Contract.Slow", vec![]));
    let leaving = async {
        let go_on = soon(begun.recv()).await;
        let go_on = go_on.unwrap_or_else(|| panic!("the handler is gone"));
        pair.listener.go_away().await;
        let mut drained = std::pin::pin!(pair.listener.drained());
        tokio::select! {
            biased;
            () = &mut drained => panic!("drained although a call is at work"),
            () = tokio::time::sleep(SHORT_WAIT) => {}
        }
        let late = error(pair.call(request("Contract.Slow", vec![])).await);
        assert_eq!(late.code(), Code::Unavailable);
        assert_eq!(late.outcome(), Outcome::NotSent, "{late}");
        assert!(go_on.send(()).is_ok(), "the call is still at work");
        soon(drained).await;
    };
    let (answer, ()) = tokio::join!(slow, leaving);
    assert!(answer.is_ok(), "{answer:?}");
    // Nothing else has to happen before the node may end.
    assert!(
        began.elapsed() < TEST_TIMEOUT / 2,
        "drained with the last answer"
    );
    pair.close().await;
}

pub(super) async fn closing_breaks_calls_off(subject: Subject) {
    let (mut hanging_handler, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    assert!(soon(pair.peer.probe()).await.is_ok(), "it lives");
    let closing = async {
        let dropped = hanging_handler.begun().await;
        soon(pair.listener.close()).await;
        dropped.await;
    };
    let (answer, ()) = tokio::join!(pair.call(request("Contract.Hang", vec![])), closing);
    let error = error(answer);
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(soon(pair.peer.probe()).await.is_err(), "it is closed");
}

pub(super) async fn where_nobody_listens_nothing_is_sent(subject: Subject) {
    let (_, handler) = hanging_handler();
    let pair = Pair::new(subject, handler).await;
    let node = crate::node::Node::new("contract", "contract-2", pair.listener.address());
    soon(pair.listener.close()).await;
    let peer = pair.transport.open(&node);
    let peer = peer.unwrap_or_else(|error| panic!("opening connects to nothing yet: {error}"));
    let nobody = Pair { peer, ..pair };
    let error = error(nobody.call(request("Contract.Hang", vec![])).await);
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    assert!(soon(nobody.peer.probe()).await.is_err());
}
