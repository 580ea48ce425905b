//! Streams of messages.

use micro::{Streaming, codec::Sender};
use micro_rs_interop_grpc::messages::{
    Payload, ResponseParameters, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};

use crate::subject::{Asked, Checked, Subject, same};

const REQUESTS: [i32; 4] = [27182, 8, 1828, 45904];
const ANSWERS: [i32; 4] = [31415, 9, 2653, 58979];

pub(super) type Requests = Sender<StreamingOutputCallRequest>;
pub(super) type Answers = Streaming<StreamingOutputCallResponse>;

/// A request of one size for an answer of another.
pub(super) fn request(size: i32, answer: i32) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters {
            size: answer,
            ..ResponseParameters::default()
        }],
        payload: Some(Payload::zeros(size)),
        ..StreamingOutputCallRequest::default()
    }
}

/// The next answer, of this size.
pub(super) async fn answer(answers: &mut Answers, size: i32) -> Checked {
    let Some(answer) = answers.next().await.transpose()? else {
        return Err(format!("the stream ended before the answer of {size} bytes").into());
    };
    let payload = answer.payload.unwrap_or_default();
    same(
        "the size of an answer",
        payload.body.len(),
        size.try_into()?,
    )?;
    same("an answer", payload == Payload::zeros(size), true)
}

/// The end of a stream, without an error.
pub(super) async fn end(answers: &mut Answers) -> Checked {
    match answers.next().await.transpose()? {
        None => Ok(()),
        Some(_) => Err("the stream goes on where it should end".into()),
    }
}

/// A call with its first request. A server may say nothing before it has one.
pub(super) async fn begin(
    call: Asked<Streaming<StreamingOutputCallRequest>, Answers>,
    requests: &Requests,
    first: StreamingOutputCallRequest,
) -> Result<Answers, Box<dyn std::error::Error>> {
    let (answers, sent) = tokio::join!(call, requests.send(first));
    sent?;
    Ok(answers?)
}

pub(super) async fn client(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::channel(REQUESTS.len());
    for size in REQUESTS {
        let request = StreamingInputCallRequest {
            payload: Some(Payload::zeros(size)),
            ..StreamingInputCallRequest::default()
        };
        sender.send(request).await?;
    }
    drop(sender);
    let answer: StreamingInputCallResponse = subject.call("StreamingInputCall", requests).await?;
    same(
        "the sum",
        answer.aggregated_payload_size,
        REQUESTS.iter().sum(),
    )
}

pub(super) async fn server(subject: &Subject) -> Checked {
    let wanted = ANSWERS.map(|size| ResponseParameters {
        size,
        ..ResponseParameters::default()
    });
    let request = StreamingOutputCallRequest {
        response_parameters: wanted.to_vec(),
        ..StreamingOutputCallRequest::default()
    };
    let mut answers: Answers = subject.call("StreamingOutputCall", request).await?;
    for size in ANSWERS {
        answer(&mut answers, size).await?;
    }
    end(&mut answers).await
}

pub(super) async fn ping_pong(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::channel(1);
    let call = subject.call("FullDuplexCall", requests);
    let first = request(REQUESTS[0], ANSWERS[0]);
    let mut answers = begin(call, &sender, first).await?;
    answer(&mut answers, ANSWERS[0]).await?;
    for (size, answered) in REQUESTS.into_iter().zip(ANSWERS).skip(1) {
        sender.send(request(size, answered)).await?;
        answer(&mut answers, answered).await?;
    }
    drop(sender);
    end(&mut answers).await
}

pub(super) async fn half_duplex(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::channel(REQUESTS.len());
    for (size, answered) in REQUESTS.into_iter().zip(ANSWERS) {
        sender.send(request(size, answered)).await?;
    }
    drop(sender);
    let mut answers: Answers = subject.call("HalfDuplexCall", requests).await?;
    for size in ANSWERS {
        answer(&mut answers, size).await?;
    }
    end(&mut answers).await
}

pub(super) async fn empty(subject: &Subject) -> Checked {
    let (sender, requests) = Streaming::<StreamingOutputCallRequest>::channel(1);
    drop(sender);
    let mut answers: Answers = subject.call("FullDuplexCall", requests).await?;
    end(&mut answers).await
}
