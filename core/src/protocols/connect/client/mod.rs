//! The client's side of Connect.

mod read;
mod send;

use std::sync::Arc;

use crate::{
    call::Answer,
    error::{Error, Outcome},
    message::Request,
    net::sent::SentFlag,
    protocols::client::{HttpChannel, HttpPeer, NodeInfo, PeerOptions},
    transport::adapter::SendOne,
};

/// Sends requests over one channel.
pub(crate) struct Sender {
    channel: HttpChannel,
    info: Arc<NodeInfo>,
    /// The endpoints that are read-only by the node's record, which are called by GET.
    read_only: Arc<[String]>,
}

/// A peer over either version of HTTP.
pub(crate) fn connect(options: PeerOptions<'_>) -> HttpPeer<Sender> {
    let endpoints = options.node.endpoints.iter();
    let read_only = endpoints.filter(|endpoint| endpoint.shape().read_only);
    let read_only: Arc<[_]> = read_only.map(|endpoint| endpoint.name.clone()).collect();
    options.connect(move |channel, info| Sender {
        channel,
        info: info.clone(),
        read_only: read_only.clone(),
    })
}

impl SendOne for Sender {
    fn send(&self, request: Request, attempts: u8, sent: SentFlag) -> Answer {
        let (channel, info) = (self.channel.clone(), self.info.clone());
        let is_read_only = self.read_only.iter().any(|name| name == request.endpoint());
        Box::pin(async move {
            let expected = request.expected();
            let unsent = |error: Error| error.with_outcome(Outcome::NotSent);
            let written = send::write(&info, request, is_read_only, attempts);
            let (http, asked, upload) = written.map_err(unsent)?;
            let (response, guard) = match channel.exchange(http, sent).await {
                Ok(answered) => answered,
                Err(error) => return Err(upload.cause(error)),
            };
            let most = info.limits.max_message_size;
            read::answer(response, guard, upload, asked, expected, most).await
        })
    }
}
