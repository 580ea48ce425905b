//! Replies: their headers, and the envelope of the request.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::{
    content::Id,
    envelope::Envelope,
    fault,
    names::{self, EOS, ERROR, HALF_CLOSE, ID, STREAM, X_ERROR, X_ID},
};
use crate::{
    error::{Code, Error, Result},
    http::HttpBody,
    message::{ContentType, Response},
    protocols::{failure::failed, propagation},
};

/// What a reply repeats of its request.
#[derive(Clone, Debug)]
pub(super) struct ReplyFormat {
    pub(super) envelope: Envelope,
    /// The encoding of the message.
    pub(super) content_type: ContentType,
    /// The content type as received.
    content_type_header: HeaderValue,
    /// The number of the request, if a header has it.
    id: Option<HeaderValue>,
    pub(super) stream: Option<HeaderValue>,
    pub(super) half_close: bool,
    /// The number in the envelope.
    pub(super) endpoint: String,
    pub(super) number: Id,
}

/// A reply, to be written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl ReplyFormat {
    /// Creates a reply to a request with these headers; the content of the envelope is filled in later.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (envelope, content_type) = names::format(headers);
        let content_type_header = headers.get(header::CONTENT_TYPE).cloned();
        ReplyFormat {
            envelope,
            content_type,
            content_type_header: content_type_header
                .unwrap_or(HeaderValue::from_static("application/protobuf")),
            id: names::value(headers, &ID).cloned(),
            stream: names::value(headers, &STREAM).cloned(),
            half_close: headers.contains_key(HALF_CLOSE),
            endpoint: String::new(),
            number: Id::Number(0),
        }
    }

    /// The reply to a call.
    pub(super) fn answer(&self, answer: Result<Response>) -> Reply {
        let mut response = match answer {
            Ok(response) => response,
            Err(error) if self.is_foreign(&error) => return self.unsupported(),
            Err(error) => return self.failure(&error),
        };
        let body = match response.body_mut().take().into_bytes() {
            Ok(body) => body,
            Err(_) => {
                return self.failure(&Error::internal(
                    "the endpoint answers by a stream without saying so in its record",
                ));
            }
        };
        let mut reply = self.message(body);
        propagation::write_answer(&response, &mut reply.headers);
        self.name(&mut reply.headers);
        reply
    }

    /// A message, as a reply or as a part of a stream.
    pub(super) fn message(&self, body: Bytes) -> Reply {
        let body = match (&self.content_type, body.is_empty()) {
            // Go's JSON reader takes an empty body for an error.
            (ContentType::Json | ContentType::GoJson, true) => Bytes::from_static(b"{}"),
            _ => body,
        };
        let mut headers = HeaderMap::with_capacity(8);
        self.name(&mut headers);
        let body = self
            .envelope
            .write_reply(&self.endpoint, &self.number, Ok(body));
        Reply {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    /// An error. Its status is 200, since go-micro's clients read no code with any other.
    pub(super) fn failure(&self, error: &Error) -> Reply {
        let mut reply = self.end(&fault::write(error));
        propagation::write_error(error, &mut reply.headers);
        if fault::code(error.http_status().into()) != error.code() {
            let number = u16::from(error.code().number());
            reply.headers.insert(names::CODE, HeaderValue::from(number));
        }
        reply
    }

    /// The end of a stream.
    pub(super) fn eos(&self) -> Reply {
        self.end(EOS)
    }

    fn end(&self, text: &str) -> Reply {
        let mut headers = HeaderMap::with_capacity(8);
        self.name(&mut headers);
        headers.remove(X_ID);
        let value = fault::header(text);
        headers.insert(ERROR, value.clone());
        headers.insert(X_ERROR, value);
        let body = self
            .envelope
            .write_reply(&self.endpoint, &self.number, Err(text));
        Reply {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    /// An empty reply, to an event.
    pub(super) fn nothing(&self) -> Reply {
        let mut headers = HeaderMap::with_capacity(8);
        self.name(&mut headers);
        Reply {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
        }
    }

    fn name(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, self.content_type_header.clone());
        if let Some(id) = &self.id {
            headers.insert(ID, id.clone());
            headers.insert(X_ID, id.clone());
        }
        if let Some(stream) = &self.stream {
            headers.insert(STREAM, stream.clone());
            if self.half_close {
                headers.insert(HALF_CLOSE, HeaderValue::from_static("1"));
            }
        }
    }

    /// Whether an error means that the content type is unknown here.
    fn is_foreign(&self, error: &Error) -> bool {
        matches!(self.content_type, ContentType::Other(_)) && error.code() == Code::Unimplemented
    }

    /// In go-micro's form: text, and no error.
    fn unsupported(&self) -> Reply {
        let mut reply = self.nothing();
        let text = HeaderValue::from_static("text/plain");
        reply.headers.insert(header::CONTENT_TYPE, text);
        let content_type_header = String::from_utf8_lossy(self.content_type_header.as_bytes());
        reply.body = format!("unsupported Content-Type: {content_type_header}").into();
        reply
    }
}

impl Reply {
    /// A refused message: 403 and an error in JSON, as in other dialects of HTTP.
    pub(super) fn forbidden(error: &Error) -> Self {
        let (head, body) = failed(error, StatusCode::FORBIDDEN).into_parts();
        let body = match body {
            HttpBody::Whole(body) => body,
            _ => Bytes::new(),
        };
        Reply {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// A message that could not be read: 500 and text, after which the connection is closed.
    pub(super) fn broken(why: &str) -> Self {
        let mut headers = HeaderMap::new();
        let text = HeaderValue::from_static("text/plain");
        headers.insert(header::CONTENT_TYPE, text);
        Reply {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            headers,
            body: Bytes::copy_from_slice(why.as_bytes()),
        }
    }
}
