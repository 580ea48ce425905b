//! Reads a response.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Response as HttpResponse, StatusCode, header};
use serde_json::Value;

use super::super::{
    end, error,
    head::{self, RpcKind, STREAM_ENCODING},
    metadata,
};
use crate::{
    error::{Code, Error, Outcome, Result},
    http::{HttpBody, compression::Encoding},
    message::{Body, ContentType, Expected, Metadata, Response, Trailers},
    protocols::{
        client::{StreamGuard, unknown},
        envelope::{Envelope, Envelopes, poll_only},
        envelope_stream::Upload,
        failure, propagation,
    },
};

/// Converts an HTTP response.
pub(super) async fn answer(
    response: HttpResponse<HttpBody>,
    guard: StreamGuard,
    upload: Arc<Upload>,
    asked: (RpcKind, ContentType),
    expected: Expected,
    most: usize,
) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let headers = &parts.headers;
    let named = headers
        .get(header::CONTENT_TYPE)
        .and_then(head::parse_content_type);
    if parts.status != StatusCode::OK {
        let is_json = named == Some((RpcKind::Unary, ContentType::Json));
        return Err(told(parts.status, headers, body, is_json, most).await);
    }
    let (kind, content_type) = named.ok_or_else(|| {
        let named = headers.get(header::CONTENT_TYPE);
        let named = named
            .map_or(&b""[..], |named| named.as_bytes())
            .escape_ascii();
        let error = format!("the answer has content type `{named}`, which is none of Connect");
        Error::unknown(error).with_outcome(Outcome::Unknown)
    })?;
    if (kind, &content_type) != (asked.0, &asked.1) {
        let named = head::name(kind, &content_type);
        let error = format!("the answer is in {named:?}, which was not asked for");
        return Err(Error::internal(error).with_outcome(Outcome::Unknown));
    }
    let encoding = match kind {
        RpcKind::Unary => header::CONTENT_ENCODING,
        RpcKind::Stream => STREAM_ENCODING,
    };
    let encoding = named_encoding(headers, &encoding)?;
    let mut response = match kind {
        RpcKind::Unary => {
            let (data, _) = body.collect(most).await.map_err(unknown)?;
            let message = match encoding {
                Some(encoding) if !data.is_empty() => encoding.decompress(&data, most)?,
                _ => data,
            };
            Response::new(content_type, message)
        }
        RpcKind::Stream => {
            let trailers = Trailers::default();
            let mut received = ResponseMessages {
                envelopes: Envelopes::new(body, most),
                encoding,
                most,
                trailers: trailers.clone(),
                upload,
                ended: false,
                _guard: guard,
            };
            let mut response = match expected {
                Expected::Message => {
                    let only = received.only().await;
                    let only = only.map_err(|error| beside(headers, error))?;
                    let mut response = Response::new(content_type, only);
                    for (name, value) in trailers.get().iter() {
                        let name = format!("{}{name}", propagation::TRAILER);
                        response.metadata_mut().append(&name, value);
                    }
                    response
                }
                _ => Response::new(content_type, Body::stream(received)),
            };
            response.follow(trailers);
            response
        }
    };
    read(headers, response.metadata_mut());
    response.load = propagation::read_load(headers);
    Ok(response)
}

/// Headers as metadata, without the protocol's own.
fn read(headers: &HeaderMap, into: &mut Metadata) {
    for (name, value) in headers {
        let is_ours = [propagation::LOAD, propagation::OUTCOME].contains(name);
        if !is_ours && !metadata::is_reserved(name.as_str()) {
            into.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
    }
}

/// An error that followed the head, with the metadata of the head.
fn beside(headers: &HeaderMap, mut error: Error) -> Error {
    read(headers, error.metadata_mut());
    error
}

fn named_encoding(headers: &HeaderMap, name: &header::HeaderName) -> Result<Option<Encoding>> {
    let said = headers.get(name).and_then(|said| said.to_str().ok());
    Encoding::named(said.unwrap_or_default()).map_err(|error| {
        // The server received the error that is known here.
        Error::internal(error.message().to_owned()).with_outcome(Outcome::Unknown)
    })
}

/// The error in a response whose status is not a success.
async fn told(
    status: StatusCode,
    headers: &HeaderMap,
    body: HttpBody,
    is_json: bool,
    most: usize,
) -> Error {
    let otherwise = failure::rpc_code(status);
    let plain = async {
        let (data, _) = body.collect(most).await?;
        match named_encoding(headers, &header::CONTENT_ENCODING)? {
            Some(encoding) => encoding.decompress(&data, most),
            None => Ok(data),
        }
    };
    let told = match plain.await {
        Ok(text) if is_json => serde_json::from_slice::<Value>(&text).ok(),
        _ => None,
    };
    let told = told.filter(Value::is_object);
    let error = match told {
        Some(told) => error::read(&told, otherwise),
        None => Error::new(otherwise, format!("the answer is HTTP status {status}")),
    };
    said(
        beside(headers, error),
        headers
            .get(&propagation::OUTCOME)
            .map(|said| said.as_bytes()),
    )
}

/// Sets an error's outcome and pushback from its metadata.
fn said(mut error: Error, outcome: Option<&[u8]>) -> Error {
    let after = error.metadata().get(header::RETRY_AFTER.as_str());
    let after = after.and_then(|after| after.parse().ok());
    error = error.with_outcome(propagation::read_outcome(outcome));
    match after {
        Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
        None => error,
    }
}

/// The messages of a response, then the end of the call.
struct ResponseMessages {
    envelopes: Envelopes,
    encoding: Option<Encoding>,
    most: usize,
    trailers: Trailers,
    upload: Arc<Upload>,
    ended: bool,
    _guard: StreamGuard,
}

impl ResponseMessages {
    /// The only message of a response.
    async fn only(&mut self) -> Result<Bytes> {
        let mut first = None;
        poll_fn(|cx| poll_only(&mut first, || Pin::new(&mut *self).poll_next(cx))).await
    }

    /// The end of the call, from the last message.
    fn end(&mut self, envelope: Envelope) -> Result<()> {
        let message = envelope.open(self.encoding, self.most, &STREAM_ENCODING)?;
        let told: Value = serde_json::from_slice(&message).map_err(|error| {
            Error::internal("the end of the stream is no JSON").with_source(error)
        })?;
        let mut trailers = Metadata::new();
        let entries = told.get("metadata").and_then(Value::as_object);
        for (name, values) in entries.into_iter().flatten() {
            for value in values.as_array().into_iter().flatten() {
                trailers.append(
                    &name.to_ascii_lowercase(),
                    value.as_str().unwrap_or_default(),
                );
            }
        }
        let failed = told.get("error").filter(|error| !error.is_null());
        let Some(failed) = failed else {
            self.trailers.set(trailers);
            return Ok(());
        };
        let mut failed = error::read(failed, Code::Unknown);
        for (name, value) in trailers.iter() {
            let name = format!("{}{name}", propagation::TRAILER);
            failed.metadata_mut().append(&name, value);
        }
        let outcome = trailers
            .get(propagation::OUTCOME.as_str())
            .map(str::as_bytes);
        Err(said(failed, outcome))
    }
}

impl Stream for ResponseMessages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let next = ready!(this.envelopes.poll_message(cx));
        let next = match next {
            Some(Ok(envelope)) if envelope.flags & end::END != 0 => {
                this.ended = true;
                this.end(envelope).err().map(Err)
            }
            Some(Ok(envelope)) => Some(envelope.open(this.encoding, this.most, &STREAM_ENCODING)),
            Some(Err(error)) => Some(Err(this.upload.cause(unknown(error)))),
            None => Some(Err(unknown(Error::internal(
                "the answer ended without saying how",
            )))),
        };
        this.ended |= matches!(next, Some(Err(_)) | None);
        Poll::Ready(next)
    }
}
