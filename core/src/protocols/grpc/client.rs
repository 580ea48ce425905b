//! The client's side of gRPC.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, header};

use super::{
    go_micro,
    head::{self, ACCEPT_ENCODING, ENCODING, TIMEOUT},
    messages::StreamEnd,
    metadata, read, timeout, web,
};
use crate::{
    call::Answer,
    codec::transcode,
    context::Compression,
    error::{Outcome, Result},
    http::{
        HttpBody,
        compression::{ACCEPTED, Encoding},
    },
    message::{ContentType, Request},
    net::sent::SentFlag,
    protocols::{
        client::{HttpChannel, HttpPeer, NodeInfo, PeerOptions},
        envelope_stream::{Compress, EnvelopeStream, JsonMessages, Upload, fits},
        propagation,
    },
    time::NEVER,
    transport::adapter::SendOne,
};

/// Sends requests over one channel.
pub(crate) struct Sender {
    channel: HttpChannel,
    info: Arc<NodeInfo>,
    /// Whether the protocol is gRPC-Web, which has trailers in the body.
    on_web: bool,
}

/// A peer that uses gRPC over HTTP/2, or gRPC-Web over either version.
pub(crate) fn connect(options: PeerOptions<'_>, on_web: bool) -> HttpPeer<Sender> {
    options.connect(move |channel, info| Sender {
        channel,
        info: info.clone(),
        on_web,
    })
}

/// Converts a request to HTTP.
fn write(
    info: &NodeInfo,
    mut request: Request,
    upload: Option<&Arc<Upload>>,
    attempts: u8,
) -> Result<HttpRequest<HttpBody>> {
    let uri = info.uri(&request)?;
    let body = request.body_mut().take();
    let (content_type, body) = match (request.content_type(), body.as_bytes()) {
        (ContentType::MsgPack, Some(message)) => {
            let json = transcode::msgpack_to_json(message)?;
            (ContentType::Json, json.into())
        }
        (content_type, _) => (content_type.clone(), body),
    };
    let compression = request.context().compression();
    let wanted = compression.and_then(Compression::compresses);
    let encoding = info
        .compression
        .or_else(|| wanted.and_then(|_| Encoding::chosen(ACCEPTED)));
    let compress = Compress::new(encoding, compression.cloned());
    let body = match body.as_bytes() {
        Some(message) => {
            fits(message, info.limits.max_message_size)?;
            compress.body(message, None)?
        }
        None => {
            let transcodes = content_type == ContentType::MsgPack;
            let messages = match transcodes {
                true => Box::pin(JsonMessages(body.into_stream())),
                false => body.into_stream(),
            };
            let end = StreamEnd::Request(upload.cloned().unwrap_or_default());
            let most = info.limits.max_message_size;
            HttpBody::stream(EnvelopeStream::new(messages, compress, most, end, NEVER))
        }
    };
    let mut http = HttpRequest::new(body);
    *http.method_mut() = Method::POST;
    *http.uri_mut() = uri;
    if matches!(http.body(), HttpBody::Stream(_)) {
        let stream = HeaderValue::from_static("stream");
        http.headers_mut().insert(propagation::BODY, stream);
    }
    write_head(
        &request,
        &transcode::understood(&content_type),
        attempts,
        http.headers_mut(),
    );
    info.addressing.write(http.headers_mut());
    if encoding.is_some() || compression.is_some() {
        let named = encoding.map_or("identity", Encoding::as_str);
        let named = HeaderValue::from_static(named);
        http.headers_mut().insert(ENCODING, named);
    }
    Ok(http)
}

/// The number of headers of a request without metadata.
const TYPICAL_HEADERS: usize = 6;

fn write_head(
    request: &Request,
    content_type: &ContentType,
    attempts: u8,
    headers: &mut HeaderMap,
) {
    let context = request.context();
    headers.reserve(TYPICAL_HEADERS);
    headers.insert(header::CONTENT_TYPE, head::name(content_type));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
    if let Some(name) = go_micro::content_type(content_type) {
        headers.insert(head::CONTENT_TYPE_BESIDE, name);
    }
    metadata::write(context.metadata(), headers);
    if context.metadata().get("user-agent").is_none() {
        headers.insert(header::USER_AGENT, crate::http::USER_AGENT);
    }
    headers.insert(propagation::ATTEMPTS, propagation::write_attempts(attempts));
    if let Some(left) = context.time_left() {
        headers.insert(TIMEOUT, timeout::write(left));
    }
    propagation::write_travel(context, headers);
}

impl SendOne for Sender {
    fn send(&self, request: Request, attempts: u8, sent: SentFlag) -> Answer {
        let (channel, info, on_web) = (self.channel.clone(), self.info.clone(), self.on_web);
        Box::pin(async move {
            let expected = request.expected();
            let compression = request.context().compression().cloned();
            let deadline = request.context().deadline();
            let asked = transcode::understood(request.content_type());
            let upload = request.body().is_stream().then(Arc::default);
            let http = write(&info, request, upload.as_ref(), attempts)
                .map_err(|error| error.with_outcome(Outcome::NotSent))?;
            let answer = async {
                let http = if on_web { web::request(http) } else { http };
                let exchanged = channel.exchange(http, sent).await;
                let (mut response, guard) = exchanged.map_err(|e| read::in_time(e, deadline))?;
                if on_web {
                    response = web::response(response, info.limits.max_head_size);
                }
                let call = read::CallInfo {
                    asked,
                    expected,
                    upload: upload.clone(),
                    compression,
                    deadline,
                    most: info.limits.max_message_size,
                };
                read::answer(response, guard, call).await
            };
            answer.await.map_err(|error| match &upload {
                Some(upload) => upload.cause(error),
                None => error,
            })
        })
    }
}
