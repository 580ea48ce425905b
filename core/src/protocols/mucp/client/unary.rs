//! A call of one message and one response.

use std::sync::Arc;

use super::{
    NodeInfo,
    head::{self, MessageFormat, StreamItem},
    pool::{ConnectionPool, Exchange},
};
use crate::{
    error::{Error, Outcome, Result},
    message::{Request, Response},
    net::sent::SentFlag,
    protocols::propagation,
    time,
};

pub(super) async fn call(
    connections: Arc<ConnectionPool>,
    info: Arc<NodeInfo>,
    mut request: Request,
    sent: SentFlag,
) -> Result<Response> {
    let format = MessageFormat::of(&request, &info)?;
    let not_sent = |error: Error| error.with_outcome(Outcome::NotSent);
    let message = request.body_mut().take().into_bytes().map_err(not_sent)?;
    if message.len() > info.limits.max_message_size {
        return Err(not_sent(too_large(info.limits.max_message_size)));
    }
    // In servers and clients of 2016, the number of a single call is 0.
    let body = format.message(message, 0).map_err(not_sent)?;
    let exchange = Exchange {
        target: "/",
        headers: &format.headers,
        body,
        sent,
    };
    let (head, body) = connections.exchange(exchange).await?;
    let body = match head::read(format.envelope, &head, body)? {
        StreamItem::Message(body) => body,
        StreamItem::Ended(text) => return Err(head::error(&text, &head)),
    };
    let mut response = Response::new(format.content_type, body);
    *response.metadata_mut() = head::metadata(&head.headers);
    let load = head.headers.get(propagation::LOAD);
    response.load = load
        .and_then(|load| load.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    response.received = time::now();
    Ok(response)
}

/// The error for a message that is not sent, since the server would refuse it.
pub(super) fn too_large(most: usize) -> Error {
    Error::invalid_argument(format!(
        "the message is over the limit `max_message_size` of {most} bytes; send it as a stream"
    ))
}
