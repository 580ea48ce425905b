//! One message each way.

use micro_rs_interop_grpc::messages::{Empty, Payload, SimpleRequest, SimpleResponse};

use crate::subject::{Checked, Subject, same};

pub(super) async fn empty(subject: &Subject) -> Checked {
    let answer: Empty = subject.call("EmptyCall", Empty {}).await?;
    same("the answer", answer, Empty {})
}

/// A request of the size that all cases have, which wants an answer of another.
pub(super) fn request() -> SimpleRequest {
    SimpleRequest {
        response_size: 314_159,
        payload: Some(Payload::zeros(271_828)),
        ..SimpleRequest::default()
    }
}

/// Whether the answer is as large as its request wants it.
pub(super) fn answers(request: &SimpleRequest, answer: SimpleResponse) -> Checked {
    let payload = answer.payload.unwrap_or_default();
    let size = i32::try_from(payload.body.len())?;
    same("the size of the answer", size, request.response_size)?;
    same("the answer", payload == Payload::zeros(size), true)
}

pub(super) async fn large(subject: &Subject) -> Checked {
    let answer = subject.call("UnaryCall", request()).await?;
    answers(&request(), answer)
}

pub(super) async fn pick_first(subject: &Subject) -> Checked {
    let request = SimpleRequest {
        response_size: 1,
        payload: Some(Payload::zeros(1)),
        fill_server_id: true,
        ..SimpleRequest::default()
    };
    let mut first = None;
    for _ in 0..100 {
        let answer: SimpleResponse = subject.call("UnaryCall", request.clone()).await?;
        let first = first.get_or_insert_with(|| answer.server_id.clone());
        same("that the server has a name", first.is_empty(), false)?;
        same("the server", &answer.server_id, first)?;
    }
    Ok(())
}
