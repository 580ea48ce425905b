//! Messages that are compressed or plain, each by itself.

use micro::{Code, Compression, Streaming};
use micro_rs_interop_grpc::{
    answers,
    messages::{
        BoolValue, Payload, ResponseParameters, SimpleRequest, SimpleResponse,
        StreamingInputCallRequest, StreamingInputCallResponse, StreamingOutputCallRequest,
    },
};

use crate::{
    streams::{self, Answers},
    subject::{Checked, Subject, fails, same},
    unary,
};

fn value(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

/// With a `probe`, the server must find out that a message is not as it says.
pub(super) async fn client_unary(subject: &Subject, probe: bool) -> Checked {
    let said = |compressed| SimpleRequest {
        expect_compressed: value(compressed),
        ..unary::request()
    };
    if probe {
        let call = subject.call::<_, SimpleResponse>("UnaryCall", said(true));
        fails(call.await, Code::InvalidArgument)?;
    }
    for compressed in [true, false] {
        let compression = Compression::new();
        compression.compress(compressed);
        let request = said(compressed);
        let call = subject
            .call("UnaryCall", request.clone())
            .compression(&compression);
        unary::answers(&request, call.await?)?;
    }
    Ok(())
}

pub(super) async fn server_unary(subject: &Subject) -> Checked {
    for compressed in [true, false] {
        let request = SimpleRequest {
            response_compressed: value(compressed),
            ..unary::request()
        };
        let compression = Compression::new();
        let call = subject
            .call("UnaryCall", request.clone())
            .compression(&compression);
        unary::answers(&request, call.await?)?;
        let what = "whether the answer came compressed";
        same(what, compression.came_compressed(), compressed)?;
    }
    Ok(())
}

pub(super) async fn client_streaming(subject: &Subject, probe: bool) -> Checked {
    let said = |size, compressed| StreamingInputCallRequest {
        payload: Some(Payload::zeros(size)),
        expect_compressed: value(compressed),
    };
    if probe {
        let (sender, requests) = Streaming::channel(1);
        sender.send(said(27182, true)).await?;
        let call = subject.call::<_, StreamingInputCallResponse>("StreamingInputCall", requests);
        fails(call.await, Code::InvalidArgument)?;
    }
    let compression = Compression::new();
    compression.compress(true);
    let requests = answers::stream(Some(&compression), |sender| async move {
        sender.send(said(27182, true), Some(true)).await?;
        sender.send(said(45904, false), Some(false)).await
    });
    let call = subject.call::<_, StreamingInputCallResponse>("StreamingInputCall", requests);
    let answer = call.compression(&compression).await?;
    same("the sum", answer.aggregated_payload_size, 73086)
}

pub(super) async fn server_streaming(subject: &Subject) -> Checked {
    let wanted = [(31415, true), (92653, false)];
    let parameters = wanted.map(|(size, compressed)| ResponseParameters {
        size,
        interval_us: 0,
        compressed: value(compressed),
    });
    let request = StreamingOutputCallRequest {
        response_parameters: parameters.to_vec(),
        ..StreamingOutputCallRequest::default()
    };
    let compression = Compression::new();
    let call = subject.call::<_, Answers>("StreamingOutputCall", request);
    let mut answers = call.compression(&compression).await?;
    for (size, compressed) in wanted {
        streams::answer(&mut answers, size).await?;
        let what = format!("whether the answer of {size} bytes came compressed");
        same(&what, compression.came_compressed(), compressed)?;
    }
    streams::end(&mut answers).await
}
