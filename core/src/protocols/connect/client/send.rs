//! A request as HTTP.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, Uri, header};
use parking_lot::Mutex;

use super::{
    super::{
        head::{self, Form, STREAM_ACCEPT, STREAM_ENCODING, TIMEOUT, VERSION},
        messages::sealed,
        metadata,
    },
    About,
};
use crate::{
    base64,
    codec::transcode,
    error::{Error, Result},
    http::{
        HttpBody, Piece,
        compression::{ACCEPTED, Compression},
    },
    message::{BodyStream, ContentType, Expected, Request},
    protocols::propagation,
};

/// What broke a request's stream off, as the call that it belongs to sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Failed(Arc<Mutex<Option<Error>>>);

impl Failed {
    /// The error that a call ends with: what broke its request's stream off, if something did.
    pub(super) fn cause(&self, error: Error) -> Error {
        match self.0.lock().take() {
            Some(cause) => cause.with_outcome(error.outcome()),
            None => error,
        }
    }
}

impl About {
    /// A request as HTTP, the form and encoding of it, and what will have broken its stream off.
    pub(super) fn write(
        &self,
        mut request: Request,
        attempts: u8,
    ) -> Result<(HttpRequest<HttpBody>, (Form, ContentType), Failed)> {
        let head = request.context().metadata().as_block().len();
        if head > self.limits.head {
            return Err(Error::invalid_argument(format!(
                "metadata takes {head} bytes, over the limit `head` of {}",
                self.limits.head
            )));
        }
        let uri = self.paths.uri(request.target())?;
        let failed = Failed::default();
        let streams = request.body().is_stream() || request.expected() == Expected::Stream;
        let form = if streams { Form::Stream } else { Form::Unary };
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
        self.write_head(&request, form, &content_type, attempts, http.headers_mut());
        let message = match body.as_bytes() {
            Some(message) if transcodes => Some(transcode::msgpack_to_json(message)?),
            message => message.cloned(),
        };
        let encoding = self.compression;
        *http.body_mut() = match (message, form) {
            (Some(message), _) if message.len() > self.limits.message => {
                return Err(Error::invalid_argument(format!(
                    "a message of {} bytes is over the limit `message` of {}; send it as a stream",
                    message.len(),
                    self.limits.message
                )));
            }
            (Some(message), Form::Unary) if self.is_read_only(&request) => {
                ask(&mut http, message, &content_type, encoding)?;
                HttpBody::empty()
            }
            (Some(message), Form::Unary) => HttpBody::Whole(match encoding {
                Some(encoding) => encoding.compress(&message)?,
                None => message,
            }),
            (Some(message), Form::Stream) => HttpBody::Whole(sealed(&message, encoding)?),
            (None, _) => HttpBody::stream(Outgoing {
                messages: body.into_stream(),
                transcodes,
                encoding,
                most: self.limits.message,
                failed: failed.clone(),
            }),
        };
        Ok((http, (form, content_type), failed))
    }

    fn is_read_only(&self, request: &Request) -> bool {
        self.read_only.iter().any(|name| name == request.endpoint())
    }

    fn write_head(
        &self,
        request: &Request,
        form: Form,
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
        self.addressing.write(headers);
        headers.insert(header::CONTENT_TYPE, head::name(form, content_type));
        headers.insert(VERSION, HeaderValue::from_static("1"));
        let (accept, encoding) = match form {
            Form::Unary => (header::ACCEPT_ENCODING, header::CONTENT_ENCODING),
            Form::Stream => (STREAM_ACCEPT, STREAM_ENCODING),
        };
        headers.insert(accept, HeaderValue::from_static(ACCEPTED));
        if let Some(compression) = self.compression {
            headers.insert(encoding, HeaderValue::from_static(compression.as_str()));
        }
        if let Some(left) = context.time_left() {
            const MOST: u128 = 9_999_999_999;
            let millis = left.as_millis().min(MOST) as u64;
            headers.insert(TIMEOUT, HeaderValue::from(millis));
        }
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, crate::http::USER_AGENT);
        }
    }
}

/// Makes a request one that asks by GET.
fn ask(
    http: &mut HttpRequest<HttpBody>,
    message: Bytes,
    content_type: &ContentType,
    encoding: Option<Compression>,
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
    // The alphabet for URLs differs by two letters.
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

/// Messages of a stream as the pieces of a body.
struct Outgoing {
    messages: BodyStream,
    /// From MessagePack to JSON.
    transcodes: bool,
    encoding: Option<Compression>,
    most: usize,
    failed: Failed,
}

impl Outgoing {
    fn seal(&self, message: Bytes) -> Result<Bytes> {
        let message = match self.transcodes {
            true => transcode::msgpack_to_json(&message)?,
            false => message,
        };
        if message.len() > self.most {
            return Err(Error::invalid_argument(format!(
                "a message of {} bytes is over the limit `message` of {}",
                message.len(),
                self.most
            )));
        }
        sealed(&message, self.encoding)
    }
}

impl Stream for Outgoing {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = ready!(this.messages.as_mut().poll_next(cx));
        let sealed = next.map(|message| this.seal(message?));
        Poll::Ready(sealed.map(|sealed| match sealed {
            Ok(sealed) => Ok(Piece::Data(sealed)),
            Err(error) => {
                *this.failed.0.lock() = Some(error.clone());
                Err(error)
            }
        }))
    }
}
