//! Writes the response to a request.

use http::{HeaderMap, HeaderValue, Response, header};

use super::{
    head::{self, ACCEPT_ENCODING, ENCODING},
    messages::StreamEnd,
    metadata, status,
};
use crate::{
    context::Compression,
    error::{Code, Error, Result},
    http::{
        HttpBody,
        compression::{ACCEPTED, Encoding},
    },
    message::{ContentType, Response as Answer},
    protocols::{
        envelope_stream::{Compress, EnvelopeStream},
        propagation,
    },
    time::Nanos,
};

/// What the response to a request depends on.
pub(super) struct Reply {
    /// The content type of the request, and its name.
    pub(super) content_type: ContentType,
    pub(super) named: HeaderValue,
    /// The compression of the request's messages.
    pub(super) encoding: Option<Encoding>,
    /// The compression that the response may use, if the handler wants it.
    pub(super) accepted: Option<Encoding>,
    /// The handler's choice.
    pub(super) compression: Option<Compression>,
    pub(super) to_go_micro: bool,
    pub(super) deadline: Nanos,
}

impl Reply {
    /// A head with the headers of every response.
    fn head(&self) -> Response<HttpBody> {
        let mut response = Response::new(HttpBody::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.named.clone());
        response
    }

    /// A response, or the error in its place.
    pub(super) fn write(self, answer: Result<Answer>) -> Response<HttpBody> {
        match answer.and_then(|answer| self.fine(answer)) {
            Ok(response) => response,
            Err(error) => self.failed(&error),
        }
    }

    fn fine(&self, answer: Answer) -> Result<Response<HttpBody>> {
        let mut response = self.head();
        let mut trailers = HeaderMap::new();
        let encoding = match self.compression.as_ref().and_then(Compression::compresses) {
            Some(_) => self.accepted.or(self.encoding),
            None => self.encoding,
        };
        let compress = Compress::new(encoding, self.compression.clone());
        let headers = response.headers_mut();
        if let Some(encoding) = encoding {
            headers.insert(ENCODING, HeaderValue::from_static(encoding.as_str()));
        }
        if *answer.content_type() != self.content_type {
            headers.insert(header::CONTENT_TYPE, head::name(answer.content_type()));
        }
        if answer.body().is_stream() {
            headers.insert(propagation::BODY, HeaderValue::from_static("stream"));
        }
        if !answer.metadata().is_empty() {
            metadata::write_both(answer.metadata(), headers, &mut trailers);
        }
        if answer.load > 0 {
            trailers.insert(propagation::LOAD, HeaderValue::from(answer.load));
        }
        let (_, body) = answer.into_parts();
        *response.body_mut() = match body.as_bytes() {
            Some(message) => {
                trailers.insert(status::STATUS, status::STATUS_OK);
                compress.body(message, Some(Box::new(trailers)))?
            }
            None => {
                let end = StreamEnd::Status {
                    trailers,
                    to_go_micro: self.to_go_micro,
                };
                let messages = body.into_stream();
                HttpBody::stream(EnvelopeStream::new(
                    messages,
                    compress,
                    usize::MAX,
                    end,
                    self.deadline,
                ))
            }
        };
        Ok(response)
    }

    /// An error before any message, as trailers alone.
    pub(super) fn failed(&self, error: &Error) -> Response<HttpBody> {
        let mut response = self.head();
        let headers = response.headers_mut();
        if error.code() == Code::Unimplemented {
            // The request may have used an unknown encoding.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED));
        }
        status::write(error, self.to_go_micro, headers);
        response
    }
}
