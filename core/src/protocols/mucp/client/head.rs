//! The headers of requests, and what those of replies say.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response::Parts};

use super::{
    super::{
        envelope::Envelope,
        fault,
        names::{self, CODE, ENDPOINT, ERROR, ID, METHOD, SERVICE},
    },
    NodeInfo,
};
use crate::{
    codec::transcode,
    error::{Code, Error, Outcome, Result},
    message::{ContentType, Metadata, Request},
    protocols::propagation,
};

/// The format of the messages of a call.
pub(super) struct MessageFormat {
    pub(super) envelope: Envelope,
    /// The content type on the wire.
    pub(super) content_type: ContentType,
    /// Whether messages must be converted from MessagePack to JSON.
    transcodes: bool,
    pub(super) headers: HeaderMap,
    pub(super) endpoint: String,
    pub(super) number: u64,
}

impl MessageFormat {
    /// The format for a request to a node.
    pub(super) fn of(request: &Request, info: &NodeInfo) -> Result<Self> {
        let content_type = transcode::understood(request.content_type());
        let envelope = match (info.old, &content_type) {
            (false, _) => Envelope::Bare,
            (true, ContentType::Json | ContentType::GoJson) => Envelope::Json,
            (true, ContentType::Protobuf | ContentType::Bytes) => Envelope::Proto,
            (true, ContentType::MsgPack | ContentType::Other(_)) => {
                return Err(Error::unimplemented(format!(
                    "content type `{content_type}` has no envelope, which the node at `{}` wants; \
                     use JSON or Protobuf",
                    info.address
                ))
                .with_outcome(Outcome::NotSent));
            }
        };
        let number = info.count.fetch_add(1, Relaxed);
        let mut format = MessageFormat {
            envelope,
            transcodes: *request.content_type() == ContentType::MsgPack,
            content_type,
            headers: HeaderMap::with_capacity(16),
            endpoint: request.endpoint().to_owned(),
            number,
        };
        format.head(request)?;
        info.addressing.write(&mut format.headers);
        let length = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        let length: usize = format.headers.iter().map(length).sum();
        let most = info.limits.max_head_size;
        if length > most {
            return Err(Error::invalid_argument(format!(
                "metadata and names take {length} bytes, over the limit `max_head_size` of {most}"
            ))
            .with_outcome(Outcome::NotSent));
        }
        Ok(format)
    }

    fn head(&mut self, request: &Request) -> Result<()> {
        let context = request.context();
        let headers = &mut self.headers;
        if !context.metadata().is_empty() {
            let mut metadata = context.metadata().clone();
            metadata.strip_hop_by_hop();
            propagation::write_metadata(&metadata, headers);
        }
        propagation::write_travel(context, headers);
        let name = |text: &str| {
            HeaderValue::try_from(text).map_err(|error| {
                Error::invalid_argument(format!("`{text}` cannot stand in a header"))
                    .with_source(error)
                    .with_outcome(Outcome::NotSent)
            })
        };
        // As go-micro's later clients call its oldest servers: by the names of the envelopes, which every
        // version knows for what they are, and with the names of before and after beside them.
        let content_type = match self.envelope {
            Envelope::Bare => name(self.content_type.as_str())?,
            Envelope::Json => HeaderValue::from_static("application/json-rpc"),
            Envelope::Proto => HeaderValue::from_static("application/proto-rpc"),
        };
        headers.insert(header::ACCEPT, name(self.content_type.as_str())?);
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::USER_AGENT, crate::http::USER_AGENT);
        let endpoint = name(request.endpoint())?;
        headers.insert(SERVICE, name(request.service())?);
        headers.insert(METHOD, endpoint.clone());
        headers.insert(ENDPOINT, endpoint);
        headers.insert(ID, HeaderValue::from(self.number));
        if let Some(left) = context.time_left() {
            let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            headers.insert(propagation::TIMEOUT, HeaderValue::from(nanos.max(1)));
        }
        Ok(())
    }

    /// A message as it goes out.
    pub(super) fn message(&self, message: Bytes, number: u64) -> Result<Bytes> {
        let message = match self.transcodes {
            true => transcode::msgpack_to_json(&message)?,
            false => message,
        };
        Ok(self.envelope.write_request(&self.endpoint, number, message))
    }

    /// An empty message, which opens a stream.
    pub(super) fn nothing(&self) -> Bytes {
        let nothing = match self.content_type {
            ContentType::Json | ContentType::GoJson => Bytes::from_static(b"{}"),
            _ => Bytes::new(),
        };
        self.envelope.write_request(&self.endpoint, 0, nothing)
    }
}

/// A message of a response.
#[derive(Debug)]
pub(super) enum StreamItem {
    Message(Bytes),
    /// The error of the call, or [`EOS`](names::EOS).
    Ended(String),
}

/// Reads a message of a response.
///
/// # Errors
/// The error of any status but 200, and of an envelope that cannot be read.
pub(super) fn read(envelope: Envelope, head: &Parts, body: Bytes) -> Result<StreamItem> {
    if head.status != StatusCode::OK {
        return Err(refused(head, &body));
    }
    if let Some(error) = names::value(&head.headers, &ERROR) {
        return Ok(StreamItem::Ended(
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
        ));
    }
    let unsupported = b"nsupported Content-Type";
    let is_text = head.headers.get(header::CONTENT_TYPE);
    if is_text.is_some_and(|said| said.as_bytes().starts_with(b"text/plain"))
        && body
            .get(1..)
            .is_some_and(|body| body.starts_with(unsupported))
    {
        let text = String::from_utf8_lossy(&body).into_owned();
        return Err(Error::unimplemented(text).with_outcome(Outcome::Rejected));
    }
    let told = envelope
        .read_reply(body)
        .map_err(|error| error.with_outcome(Outcome::Unknown))?;
    Ok(match told.error {
        Some(error) => StreamItem::Ended(error),
        None => StreamItem::Message(told.body),
    })
}

/// The error of a text and what our own servers say beside it.
pub(super) fn error(text: &str, head: &Parts) -> Error {
    let told = fault::read(text);
    let status = told.http_status();
    let headers = &head.headers;
    let number = headers
        .get(CODE)
        .and_then(|code| code.to_str().ok()?.parse().ok());
    let mut error = match number {
        Some(number) => Error::new(Code::from_number(number), told.message().to_owned())
            .with_origin(told.origin().to_owned()),
        None => told,
    };
    if let Some(outcome) = outcome(headers) {
        error = error.with_outcome(outcome);
    }
    let after = headers.get(header::RETRY_AFTER);
    if let Some(seconds) = after.and_then(|after| after.to_str().ok()?.parse().ok()) {
        error = error.with_retry_after(std::time::Duration::from_secs(seconds));
    }
    *error.metadata_mut() = metadata(headers);
    error.with_http_status(status)
}

fn outcome(headers: &HeaderMap) -> Option<Outcome> {
    match headers.get(propagation::OUTCOME)?.as_bytes() {
        b"rejected" => Some(Outcome::Rejected),
        b"not sent" => Some(Outcome::NotSent),
        b"unknown" => Some(Outcome::Unknown),
        _ => None,
    }
}

/// What a node says that could not make anything of a request.
fn refused(head: &Parts, body: &Bytes) -> Error {
    let code = fault::code(head.status.as_u16().into());
    let text = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
    let error = Error::new(
        code,
        format!("the node answered with {}: {text}", head.status),
    );
    error.with_outcome(outcome(&head.headers).unwrap_or(Outcome::Answered))
}

/// What a node says beside a message, without what go-micro repeats of the request.
pub(super) fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = propagation::metadata(headers);
    metadata.strip_hop_by_hop();
    for name in [
        header::DATE.as_str(),
        header::RETRY_AFTER.as_str(),
        propagation::OUTCOME.as_str(),
        propagation::LOAD.as_str(),
        CODE.as_str(),
        names::HALF_CLOSE.as_str(),
    ] {
        metadata.remove(name);
    }
    metadata
}
