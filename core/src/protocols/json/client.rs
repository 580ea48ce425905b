//! The client's side of plain JSON over HTTP/1.1.

use std::sync::Arc;

use http::{HeaderValue, Method, Request as HttpRequest, header, uri::PathAndQuery};

use super::read;
use crate::{
    call::Answer,
    codec::transcode,
    error::{Error, Outcome, Result},
    http::HttpBody,
    message::{ContentType, Request, Target},
    net::sent::SentFlag,
    protocols::{
        client::{HttpChannel, HttpPeer, NodeInfo, PeerOptions},
        propagation,
    },
    time::nanos,
    transport::adapter::SendOne,
};

/// Sends requests over one channel.
pub(crate) struct Sender {
    channel: HttpChannel,
    info: Arc<NodeInfo>,
}

/// The peer of one node: a connection for each concurrent request, kept for the next.
pub(crate) fn connect(options: PeerOptions<'_>) -> HttpPeer<Sender> {
    options.connect(|channel, info| Sender {
        channel,
        info: info.clone(),
    })
}

impl SendOne for Sender {
    fn send(&self, request: Request, attempts: u8, sent: SentFlag) -> Answer {
        let (channel, info) = (self.channel.clone(), self.info.clone());
        Box::pin(async move {
            let unsent = |error: Error| error.with_outcome(Outcome::NotSent);
            let mut request = write(request, attempts).map_err(unsent)?;
            info.addressing.write(request.headers_mut());
            let (response, _guard) = channel.exchange(request, sent).await?;
            read::answer(response, info.limits.max_message_size).await
        })
    }
}

/// Converts a request to HTTP. Streams cannot be sent, since JSON alone does not delimit messages.
fn write(request: Request, attempts: u8) -> Result<HttpRequest<HttpBody>> {
    let mut http = HttpRequest::new(HttpBody::empty());
    *http.method_mut() = Method::POST;
    *http.uri_mut() = path(request.target())?.into();
    let headers = http.headers_mut();
    propagation::write(request.context(), attempts, headers);
    if let Some(left) = request.context().time_left() {
        headers.insert(propagation::TIMEOUT, HeaderValue::from(nanos(left)));
    }
    let (_, content_type, body) = request.into_parts();
    let named = transcode::understood(&content_type);
    let named = HeaderValue::try_from(named.as_str());
    let named = named.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, named);
    let message = body.into_bytes().map_err(|_| {
        Error::unimplemented("plain HTTP carries no stream of requests; use another transport")
    })?;
    let message = match content_type {
        ContentType::MsgPack => transcode::msgpack_to_json(&message)?,
        _ => message,
    };
    *http.body_mut() = HttpBody::Whole(message);
    Ok(http)
}

/// `/service.Type/Method`, as in every HTTP protocol.
fn path(target: &Target) -> Result<PathAndQuery> {
    let (service, endpoint) = (target.service(), target.endpoint());
    let text = match endpoint.rsplit_once('.') {
        Some((kind, method)) => format!("/{service}.{kind}/{method}"),
        None => format!("/{service}/{endpoint}"),
    };
    PathAndQuery::try_from(text).map_err(|error| {
        Error::invalid_argument(format!("`{target}` cannot be a path of HTTP")).with_source(error)
    })
}
