//! Writes a request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, Uri, header};

use super::super::{
    head::{self, RpcKind, STREAM_ACCEPT, STREAM_ENCODING, TIMEOUT, VERSION},
    metadata,
};
use crate::{
    base64,
    codec::transcode,
    error::{Error, Result},
    http::{
        HttpBody, Piece,
        compression::{ACCEPTED, Encoding},
    },
    message::{ContentType, Expected, Request},
    protocols::{
        client::NodeInfo,
        envelope_stream::{Compress, End, EnvelopeStream, JsonMessages, Upload, fits},
        propagation,
    },
    time::NEVER,
};

/// A request as HTTP, with its form and encoding, and the error that ended its stream.
pub(super) type EncodedRequest = (HttpRequest<HttpBody>, (RpcKind, ContentType), Arc<Upload>);

/// Writes a request as HTTP.
pub(super) fn write(
    info: &NodeInfo,
    mut request: Request,
    is_read_only: bool,
    attempts: u8,
) -> Result<EncodedRequest> {
    let uri = info.uri(&request)?;
    let upload = Arc::new(Upload::default());
    let streams = request.body().is_stream() || request.expected() == Expected::Stream;
    let kind = if streams {
        RpcKind::Stream
    } else {
        RpcKind::Unary
    };
    let content_type = transcode::understood(request.content_type());
    if head::codec_name(&content_type).is_none() {
        return Err(Error::invalid_argument(format!(
            "Connect does not carry {content_type}; it knows JSON and Protobuf"
        )));
    }
    let transcodes = *request.content_type() == ContentType::MsgPack;
    let body = request.body_mut().take();
    let mut http = HttpRequest::new(HttpBody::empty());
    *http.method_mut() = Method::POST;
    *http.uri_mut() = uri;
    write_head(
        info,
        &request,
        kind,
        &content_type,
        attempts,
        http.headers_mut(),
    );
    let message = match body.as_bytes() {
        Some(message) if transcodes => Some(transcode::msgpack_to_json(message)?),
        message => message.cloned(),
    };
    if let Some(message) = &message {
        fits(message, info.limits.max_message_size)?;
    }
    let encoding = info.compression;
    let compress = Compress::new(encoding, None);
    *http.body_mut() = match (message, kind) {
        (Some(message), RpcKind::Unary) if is_read_only => {
            ask(&mut http, message, &content_type, encoding)?;
            HttpBody::empty()
        }
        (Some(message), RpcKind::Unary) => HttpBody::Whole(match encoding {
            Some(encoding) => encoding.compress(&message)?,
            None => message,
        }),
        (Some(message), RpcKind::Stream) => HttpBody::Whole(compress.encode(&message)?),
        (None, _) => {
            let messages = match transcodes {
                true => Box::pin(JsonMessages(body.into_stream())),
                false => body.into_stream(),
            };
            let (most, end) = (info.limits.max_message_size, RecordError(upload.clone()));
            HttpBody::stream(EnvelopeStream::new(messages, compress, most, end, NEVER))
        }
    };
    Ok((http, (kind, content_type), upload))
}

fn write_head(
    info: &NodeInfo,
    request: &Request,
    kind: RpcKind,
    content_type: &ContentType,
    attempts: u8,
    headers: &mut HeaderMap,
) {
    let context = request.context();
    propagation::write(context, attempts, headers);
    for name in headers.keys().cloned().collect::<Vec<_>>() {
        if metadata::is_reserved(name.as_str()) {
            headers.remove(name);
        }
    }
    info.addressing.write(headers);
    headers.insert(header::CONTENT_TYPE, head::name(kind, content_type));
    headers.insert(VERSION, HeaderValue::from_static("1"));
    let (accept, encoding) = match kind {
        RpcKind::Unary => (header::ACCEPT_ENCODING, header::CONTENT_ENCODING),
        RpcKind::Stream => (STREAM_ACCEPT, STREAM_ENCODING),
    };
    headers.insert(accept, HeaderValue::from_static(ACCEPTED));
    if let Some(compression) = info.compression {
        headers.insert(encoding, HeaderValue::from_static(compression.as_str()));
    }
    if let Some(left) = context.time_left() {
        const MAX_MILLIS: u128 = 9_999_999_999;
        let millis = left.as_millis().min(MAX_MILLIS) as u64;
        headers.insert(TIMEOUT, HeaderValue::from(millis));
    }
    if !headers.contains_key(header::USER_AGENT) {
        headers.insert(header::USER_AGENT, crate::http::USER_AGENT);
    }
}

/// Turns a request into a GET.
fn ask(
    http: &mut HttpRequest<HttpBody>,
    message: Bytes,
    content_type: &ContentType,
    encoding: Option<Encoding>,
) -> Result<()> {
    let mut query = format!("{}?connect=v1&base64=1", http.uri().path());
    let message = match encoding {
        Some(encoding) => {
            query += "&compression=";
            query += encoding.as_str();
            encoding.compress(&message)?
        }
        None => message,
    };
    query += "&encoding=";
    query += head::codec_name(content_type).unwrap_or_default();
    query += "&message=";
    // The alphabet for URLs differs in two letters.
    let text = base64::unpadded(&message);
    query += &text.replace('+', "-").replace('/', "_");
    let mut parts = http.uri().clone().into_parts();
    let wrong = |error: &dyn std::fmt::Display| {
        Error::invalid_argument(format!("the request is no query of a URL: {error}"))
    };
    parts.path_and_query = Some(query.parse().map_err(|error| wrong(&error))?);
    *http.uri_mut() = Uri::from_parts(parts).map_err(|error| wrong(&error))?;
    *http.method_mut() = Method::GET;
    http.headers_mut().remove(header::CONTENT_TYPE);
    http.headers_mut().remove(header::CONTENT_ENCODING);
    Ok(())
}

/// Ends a request's stream: in order, or with an error.
struct RecordError(Arc<Upload>);

impl End for RecordError {
    fn end(&mut self, ended: Result<()>) -> Option<Result<Piece>> {
        let error = ended.err()?;
        self.0.fail(&error);
        Some(Err(error))
    }
}
