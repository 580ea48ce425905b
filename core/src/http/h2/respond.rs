//! Sends the response to a request.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use h2::{SendStream, server::SendResponse};
use http::Response;

use super::{peer::Peer, send};
use crate::{
    error::Code,
    http::{HttpAnswer, HttpBody},
};

/// A response whose head was sent, and the rest of its body.
pub(super) type PendingBody = (SendStream<Bytes>, HttpBody);

/// Sends as much of a response as is possible without waiting.
pub(super) fn start(
    respond: &mut SendResponse<Bytes>,
    response: Response<HttpBody>,
) -> Option<PendingBody> {
    let (head, body) = response.into_parts();
    let ends = matches!(&body, HttpBody::Whole(data) if data.is_empty());
    let sent = respond.send_response(Response::from_parts(head, ()), ends);
    let mut stream = match sent {
        Ok(stream) => stream,
        // The stream was reset, or its connection has ended.
        Err(error) => {
            tracing::debug!(%error, "an answer could not be sent");
            return None;
        }
    };
    if ends {
        return None;
    }
    match send::at_once(&mut stream, body) {
        Ok(rest) => rest.map(|body| (stream, body)),
        Err(error) => {
            tracing::debug!(%error, "an answer could not be sent");
            None
        }
    }
}

/// Waits for a response and sends it. It is dropped if the stream is reset. While the peer does not take waiting responses,
/// no more are made.
pub(super) async fn finish(mut answer: HttpAnswer, mut respond: SendResponse<Bytes>, peer: Peer) {
    let response = poll_fn(|cx| {
        if peer.buffered.poll_answers(cx).is_ready()
            && let Poll::Ready(response) = answer.as_mut().poll(cx)
        {
            return Poll::Ready(Some(response));
        }
        respond.poll_reset(cx).map(|_| None)
    })
    .await;
    // Dropped before the response has left, since the work is done.
    drop(answer);
    if let Some(response) = response
        && let Some(rest) = start(&mut respond, response)
    {
        stream(rest, peer).await;
    }
}

/// Sends the rest of a response.
pub(super) async fn stream(rest: PendingBody, peer: Peer) {
    let (mut stream, body) = rest;
    let account = peer.buffered.answer();
    account.set(body.here());
    if let Err(error) = send::rest(&mut stream, body, Some(&peer)).await {
        if error.code() == Code::DeadlineExceeded {
            peer.traffic.condemn();
        }
        tracing::debug!(%error, "an answer broke off");
    }
}
