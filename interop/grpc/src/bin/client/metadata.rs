//! Metadata both ways.

use micro::{Metadata, Reply, Streaming};
use micro_rs_interop_grpc::{
    ECHO_INITIAL, ECHO_TRAILING,
    messages::{Payload, SimpleRequest, SimpleResponse},
};

use crate::{
    streams::{self, Answers},
    subject::{Checked, Subject, same},
};

const INITIAL: &str = "test_initial_metadata_value";
/// The bytes 0xab 0xab 0xab.
const TRAILING: &str = "q6ur";

pub(super) async fn custom(subject: &Subject) -> Checked {
    let request = SimpleRequest {
        response_size: 1,
        payload: Some(Payload::zeros(1)),
        ..SimpleRequest::default()
    };
    let call = subject.call::<_, Reply<SimpleResponse>>("UnaryCall", request);
    let reply = call
        .metadata(ECHO_INITIAL, INITIAL)
        .metadata(ECHO_TRAILING, TRAILING)
        .await?;
    is(reply.metadata(), ECHO_INITIAL, INITIAL)?;
    is(
        reply.metadata(),
        &format!("trailer-{ECHO_TRAILING}"),
        TRAILING,
    )?;

    let (sender, requests) = Streaming::channel(1);
    sender.send(streams::request(1, 1)).await?;
    drop(sender);
    let call = subject.call::<_, Reply<Answers>>("FullDuplexCall", requests);
    let mut reply = call
        .metadata(ECHO_INITIAL, INITIAL)
        .metadata(ECHO_TRAILING, TRAILING)
        .await?;
    is(reply.metadata(), ECHO_INITIAL, INITIAL)?;
    streams::answer(reply.get_mut(), 1).await?;
    streams::end(reply.get_mut()).await?;
    is(&reply.trailers(), ECHO_TRAILING, TRAILING)
}

fn is(metadata: &Metadata, name: &str, should: &str) -> Checked {
    same(&format!("`{name}`"), metadata.get(name), Some(should))
}
