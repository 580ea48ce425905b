//! Calls that end before they are done.

use std::time::Duration;

use micro::{Code, Error, Streaming};
use micro_rs_interop_grpc::messages::{StreamingInputCallRequest, StreamingInputCallResponse};

use crate::{
    streams::{self, Answers},
    subject::{Checked, Subject, fails},
    unary,
};

fn cancelled() -> Error {
    Error::cancelled("the caller has had enough")
}

pub(super) async fn after_begin(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::<StreamingInputCallRequest>::channel(1);
    let call = subject.call::<_, StreamingInputCallResponse>("StreamingInputCall", requests);
    let (answer, sent) = tokio::join!(call, async {
        // The head is on its way by then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        sender.fail(cancelled()).await
    });
    sent?;
    fails(answer, Code::Cancelled)?;
    unary::empty(subject).await
}

pub(super) async fn after_first_response(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::channel(1);
    let call = subject.call("FullDuplexCall", requests);
    let first = streams::request(27182, 31415);
    let mut answers = streams::begin(call, &sender, first).await?;
    streams::answer(&mut answers, 31415).await?;
    sender.fail(cancelled()).await?;
    match answers.next().await {
        Some(next) => fails(next, Code::Cancelled)?,
        None => return Err("the stream ended well".into()),
    };
    unary::empty(subject).await
}

pub(super) async fn timeout(subject: &Subject) -> Checked {
    // Without a server it would pass.
    unary::empty(subject).await?;
    let (sender, requests) = Streaming::channel(1);
    sender.send(streams::request(27182, 31415)).await?;
    let call = subject.call::<_, Answers>("FullDuplexCall", requests);
    let called = async {
        let mut answers = call.timeout(Duration::from_millis(1)).await?;
        // An answer may be quicker; the end of a stream that is held open is not.
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(())
    };
    fails(called.await, Code::DeadlineExceeded)?;
    drop(sender);
    unary::empty(subject).await
}
