//! Hedging: a second attempt beside the first, for idempotent calls that ask for it.
//!
//! As in Finagle's `BackupRequestFilter`, the first answer wins and the other attempt is cancelled.
//! Here the second attempt goes to another node, after a delay set by the caller, and is charged to the retry budget.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use super::outcome::is_harmless;
use crate::{
    error::{Error, Result},
    message::Response,
};

/// Returns the first answer of two attempts, of which the second begins when the first takes `delay`; `second` may
/// decline. A failed attempt waits for the other one only while that may still succeed.
pub(super) async fn race<A, B>(
    first: A,
    delay: Duration,
    second: impl FnOnce() -> Option<B>,
) -> Result<Response>
where
    A: Future<Output = Result<Response>>,
    B: Future<Output = Result<Response>>,
{
    let mut first = pin!(first);
    if let Ok(answer) = tokio::time::timeout(delay, &mut first).await {
        return answer;
    }
    let Some(second) = second() else {
        return first.await;
    };
    let mut second = pin!(second);
    let mut failed: Option<Error> = None;
    let (mut first_ended, mut second_ended) = (false, false);
    poll_fn(|cx| {
        if !first_ended && let Poll::Ready(answer) = first.as_mut().poll(cx) {
            match answer {
                Ok(answer) => return Poll::Ready(Ok(answer)),
                Err(error) => {
                    failed = Some(match failed.take() {
                        None => error,
                        Some(second) => worse(Some(error), second),
                    });
                }
            }
            first_ended = true;
        }
        if !second_ended && let Poll::Ready(answer) = second.as_mut().poll(cx) {
            match answer {
                Ok(answer) => return Poll::Ready(Ok(answer)),
                Err(error) => failed = Some(worse(failed.take(), error)),
            }
            second_ended = true;
        }
        match failed.take() {
            Some(error) if first_ended && second_ended => Poll::Ready(Err(error)),
            waiting => {
                failed = waiting;
                Poll::Pending
            }
        }
    })
    .await
}

/// The error of both: that of the first attempt, which had the time, unless only the second may have been done.
fn worse(first: Option<Error>, second: Error) -> Error {
    match first {
        Some(first) if !is_harmless(&first) || is_harmless(&second) => first,
        _ => second,
    }
}
