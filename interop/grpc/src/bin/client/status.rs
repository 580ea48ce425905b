//! Errors, as a server tells them.

use std::time::Duration;

use micro::{Code, Error, Streaming};
use micro_rs_interop_grpc::messages::{
    EchoStatus, Empty, SimpleRequest, SimpleResponse, StreamingOutputCallRequest,
};

use crate::{
    streams::Answers,
    subject::{Checked, Subject, fails, same},
};

const MESSAGE: &str = "test status message";
const SPECIAL: &str =
    "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n";

fn unknown(message: &str) -> Option<EchoStatus> {
    Some(EchoStatus {
        code: Code::Unknown.number().into(),
        message: message.into(),
    })
}

async fn unary(subject: &Subject, message: &str) -> Checked {
    let request = SimpleRequest {
        response_status: unknown(message),
        ..SimpleRequest::default()
    };
    let call = subject.call::<_, SimpleResponse>("UnaryCall", request);
    let error = fails(call.timeout(Duration::from_secs(10)).await, Code::Unknown)?;
    same("the message", error.message(), message)
}

pub(super) async fn code_and_message(subject: &Subject) -> Checked {
    unary(subject, MESSAGE).await?;
    let (sender, requests) = Streaming::channel(1);
    let request = StreamingOutputCallRequest {
        response_status: unknown(MESSAGE),
        ..StreamingOutputCallRequest::default()
    };
    sender.send(request).await?;
    drop(sender);
    let call = subject.call::<_, Answers>("FullDuplexCall", requests);
    // It may come instead of an answer, or as the end of one.
    let called = async { call.await?.next().await.transpose() };
    let error = fails(called.await, Code::Unknown)?;
    same("the message", error.message(), MESSAGE)
}

pub(super) async fn special_message(subject: &Subject) -> Checked {
    unary(subject, SPECIAL).await
}

fn unimplemented(called: Result<Empty, Error>) -> Checked {
    fails(called, Code::Unimplemented)?;
    Ok(())
}

pub(super) async fn unimplemented_method(subject: &Subject) -> Checked {
    unimplemented(subject.call("UnimplementedCall", Empty {}).await)
}

pub(super) async fn unimplemented_service(subject: &Subject) -> Checked {
    let method = "UnimplementedService.UnimplementedCall";
    unimplemented(subject.of("grpc.testing", method, Empty {}).await)
}
