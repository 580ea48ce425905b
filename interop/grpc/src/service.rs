//! `grpc.testing.TestService`, and ORCA's reports beside it.

use std::{sync::Arc, time::Duration};

use micro::{Code, Compression, Context, Error, Reply, Result, Router, Streaming};
use prost::Message as _;
use tokio::sync::watch;

use crate::{
    ECHO_INITIAL, ECHO_TRAILING, ORCA,
    answers::{self, Sender},
    base64::base64,
    messages::{
        BoolValue, EchoStatus, Empty, OrcaLoadReport, OrcaLoadReportRequest, Payload,
        SimpleRequest, SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
        StreamingOutputCallRequest, StreamingOutputCallResponse,
    },
};

/// All endpoints. `UnimplementedCall` is none of them.
pub fn router() -> Router {
    let load = Arc::new(watch::Sender::new(OrcaLoadReport::default()));
    let reported = load.clone();
    Router::new()
        .handle("TestService.EmptyCall", empty_call)
        .handle("TestService.UnaryCall", unary_call)
        .handle("TestService.CacheableUnaryCall", unary_call)
        .handle("TestService.StreamingOutputCall", streaming_output_call)
        .handle("TestService.StreamingInputCall", streaming_input_call)
        .handle("TestService.FullDuplexCall", move |cx, requests| {
            full_duplex_call(cx, requests, load.clone())
        })
        .handle("TestService.HalfDuplexCall", half_duplex_call)
        .handle(
            "OpenRcaService.StreamCoreMetrics",
            move |_: Context, request| stream_core_metrics(request, reported.subscribe()),
        )
}

async fn empty_call(cx: Context, request: Empty) -> Result<Reply<Empty>> {
    Ok(echoed(&cx, request))
}

async fn unary_call(cx: Context, request: SimpleRequest) -> Result<Reply<SimpleResponse>> {
    came_as_expected(&cx, request.expect_compressed.as_ref())?;
    failed(request.response_status)?;
    if let (Some(compression), Some(compressed)) = (cx.compression(), &request.response_compressed)
    {
        compression.compress(compressed.value);
    }
    let server_id = if request.fill_server_id { "micro" } else { "" };
    let reply = echoed(
        &cx,
        SimpleResponse {
            payload: Some(Payload::zeros(request.response_size)),
            server_id: server_id.into(),
        },
    );
    Ok(match request.orca_per_query_report {
        Some(report) => {
            let report = OrcaLoadReport::from(report).encode_to_vec();
            reply.with(&format!("trailer-{ORCA}"), base64(&report))
        }
        None => reply,
    })
}

async fn streaming_output_call(
    cx: Context,
    request: StreamingOutputCallRequest,
) -> Result<Reply<Streaming<StreamingOutputCallResponse>>> {
    // Whether there will be compressed messages is said before the first one.
    if let (Some(compression), Some(first)) =
        (cx.compression(), request.response_parameters.first())
        && let Some(compressed) = &first.compressed
    {
        compression.compress(compressed.value);
    }
    let answers = answers::stream(cx.compression(), |sender| async move {
        answer(request, &sender).await
    });
    Ok(echoed(&cx, answers))
}

async fn streaming_input_call(
    cx: Context,
    mut requests: Streaming<StreamingInputCallRequest>,
) -> Result<Reply<StreamingInputCallResponse>> {
    let mut sum = 0;
    while let Some(request) = requests.next().await.transpose()? {
        came_as_expected(&cx, request.expect_compressed.as_ref())?;
        sum += request.payload.map_or(0, |payload| payload.body.len());
    }
    let aggregated_payload_size = i32::try_from(sum).unwrap_or(i32::MAX);
    let response = StreamingInputCallResponse {
        aggregated_payload_size,
    };
    Ok(echoed(&cx, response))
}

async fn full_duplex_call(
    cx: Context,
    mut requests: Streaming<StreamingOutputCallRequest>,
    load: Arc<watch::Sender<OrcaLoadReport>>,
) -> Result<Reply<Streaming<StreamingOutputCallResponse>>> {
    let answers = answers::stream(cx.compression(), |sender| async move {
        while let Some(mut request) = requests.next().await.transpose()? {
            if let Some(report) = request.orca_oob_report.take() {
                load.send_replace(report.into());
            }
            answer(request, &sender).await?;
        }
        Ok(())
    });
    Ok(echoed(&cx, answers))
}

async fn half_duplex_call(
    cx: Context,
    mut requests: Streaming<StreamingOutputCallRequest>,
) -> Result<Reply<Streaming<StreamingOutputCallResponse>>> {
    let mut all = Vec::new();
    while let Some(request) = requests.next().await.transpose()? {
        all.push(request);
    }
    let answers = answers::stream(cx.compression(), |sender| async move {
        for request in all {
            answer(request, &sender).await?;
        }
        Ok(())
    });
    Ok(echoed(&cx, answers))
}

/// Reports at the interval that is asked for, at most ten times a second.
async fn stream_core_metrics(
    request: OrcaLoadReportRequest,
    load: watch::Receiver<OrcaLoadReport>,
) -> Result<Streaming<OrcaLoadReport>> {
    let asked = request.report_interval.unwrap_or_default();
    let seconds = Duration::from_secs(u64::try_from(asked.seconds).unwrap_or_default());
    let nanos = Duration::from_nanos(u64::try_from(asked.nanos).unwrap_or_default());
    let interval = (seconds + nanos).max(Duration::from_millis(100));
    Ok(answers::stream(None, |sender| async move {
        loop {
            let report = load.borrow().clone();
            sender.send(report, None).await?;
            tokio::time::sleep(interval).await;
        }
    }))
}

/// The answers that a request wants, or the error.
async fn answer(
    request: StreamingOutputCallRequest,
    sender: &Sender<StreamingOutputCallResponse>,
) -> Result<()> {
    failed(request.response_status)?;
    for wanted in request.response_parameters {
        let wait = u64::try_from(wanted.interval_us).unwrap_or_default();
        if wait > 0 {
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
        let payload = Some(Payload::zeros(wanted.size));
        let compressed = wanted.compressed.map(|compressed| compressed.value);
        let response = StreamingOutputCallResponse { payload };
        sender.send(response, compressed).await?;
    }
    Ok(())
}

/// An answer with the metadata that is to be echoed.
fn echoed<T>(cx: &Context, value: T) -> Reply<T> {
    let mut reply = Reply::new(value);
    for (name, value) in cx.metadata().iter() {
        if name.eq_ignore_ascii_case(ECHO_INITIAL) {
            reply = reply.with(ECHO_INITIAL, value);
        } else if name.eq_ignore_ascii_case(ECHO_TRAILING) {
            reply = reply.with(&format!("trailer-{ECHO_TRAILING}"), value);
        }
    }
    reply
}

/// The error that is wanted, if one is.
fn failed(wanted: Option<EchoStatus>) -> Result<()> {
    match wanted {
        Some(wanted) if wanted.code != 0 => {
            let code = Code::from_number(u8::try_from(wanted.code).unwrap_or_default());
            Err(Error::new(code, wanted.message))
        }
        _ => Ok(()),
    }
}

/// Whether the last message came as it says it did.
fn came_as_expected(cx: &Context, expected: Option<&BoolValue>) -> Result<()> {
    let compressed = cx.compression().is_some_and(Compression::came_compressed);
    match expected {
        Some(expected) if expected.value && !compressed => Err(Error::invalid_argument(
            "the message is said to be compressed, and is not",
        )),
        _ => Ok(()),
    }
}
