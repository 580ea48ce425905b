//! Reads a response.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Response as HttpResponse, StatusCode, header};

use super::{
    head::{self, ENCODING},
    messages::Messages,
    metadata, status,
};
use crate::{
    context::Compression,
    error::{Code, Error, Outcome, Result},
    http::{HttpBody, Piece, compression::Encoding},
    message::{Body, ContentType, Expected, Metadata, Response, Trailers},
    protocols::{
        client::{StreamGuard, unknown},
        envelope_stream::Upload,
        propagation,
    },
    time::{self, Nanos},
};

/// The parts of a call that reading its response needs.
pub(super) struct CallInfo {
    /// The content type of the request, expected in the response.
    pub(super) asked: ContentType,
    pub(super) expected: Expected,
    pub(super) upload: Option<Arc<Upload>>,
    pub(super) compression: Option<Compression>,
    pub(super) deadline: Nanos,
    /// Maximum size of a message, in bytes.
    pub(super) most: usize,
}

/// Reads a gRPC response.
pub(super) async fn answer(
    response: HttpResponse<HttpBody>,
    guard: StreamGuard,
    call: CallInfo,
) -> Result<Response> {
    let CallInfo {
        asked,
        expected,
        upload,
        compression,
        deadline,
        most,
    } = call;
    let (parts, mut body) = response.into_parts();
    let ResponseHead {
        mut told,
        content_type,
        encoding,
        of_ours,
        metadata,
    } = ResponseHead::read(&parts.headers);
    if told {
        (told, body) = ahead(body).await?;
    }
    if told {
        // The head contains the trailers.
        status::read(&parts.headers, parts.status)?;
    }
    let Some(content_type) = content_type.filter(|_| parts.status == StatusCode::OK) else {
        return Err(not_grpc(&parts.headers, parts.status));
    };
    let common = |kind: &ContentType| matches!(kind, ContentType::Json | ContentType::Protobuf);
    if common(&content_type)
        && common(&asked)
        && content_type != asked
        && !of_go_micro(&parts.headers)
    {
        let error = format!("the answer is in {content_type}, which was not asked for");
        return Err(Error::internal(error).with_outcome(Outcome::Unknown));
    }
    let encoding = encoding.map_err(|error| {
        // The request listed the accepted encodings.
        Error::internal(error.message().to_owned()).with_outcome(Outcome::Unknown)
    })?;
    if let Some(upload) = &upload {
        upload.to_ours.store(of_ours, Relaxed);
    }
    let messages = Messages::new(body, encoding, most, compression);
    let trailers = Trailers::default();
    if told {
        // The head contains the trailers.
        trailers.set(metadata.clone());
    }
    let mut received = ResponseMessages {
        messages,
        ahead: Vec::new(),
        ended: false,
        told,
        upload,
        deadline,
        trailers: trailers.clone(),
        _guard: guard,
    };
    let expected = match expected {
        Expected::Unsaid if of_ours => Expected::Stream,
        expected => expected,
    };
    let mut response = match expected {
        Expected::Stream => streaming(content_type, received, trailers),
        expected => match received.whole(expected).await.map_err(|mut error| {
            // The error gets the metadata of the head too.
            for (name, value) in metadata.iter() {
                error.metadata_mut().append(name, value);
            }
            error
        })? {
            Some((message, trailers)) => {
                let mut response = Response::new(content_type, message);
                response.load = propagation::read_load(&trailers);
                metadata::read(&trailers, propagation::TRAILER, response.metadata_mut());
                response
            }
            None => streaming(content_type, received, trailers),
        },
    };
    match response.metadata().is_empty() {
        true => *response.metadata_mut() = metadata,
        false => {
            for (name, value) in metadata.iter() {
                response.metadata_mut().append(name, value);
            }
        }
    }
    Ok(response)
}

/// Whether the content type names no codec, as in responses of go-micro.
fn of_go_micro(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE);
    !named.is_some_and(|named| named.as_bytes().contains(&b'+'))
}

/// Reads the first piece. Returns whether the body is empty, in which case the head has the status, and the body.
async fn ahead(mut body: HttpBody) -> Result<(bool, HttpBody)> {
    loop {
        match body.piece().await.transpose().map_err(unknown)? {
            None => return Ok((true, HttpBody::empty())),
            Some(Piece::Data(data)) if data.is_empty() => {}
            Some(first) => {
                return Ok((false, HttpBody::stream(PrependedBody(Some(first), body))));
            }
        }
    }
}

/// A body whose first piece has already been read.
struct PrependedBody(Option<Piece>, HttpBody);

impl Stream for PrependedBody {
    type Item = Result<Piece>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.1.poll_piece(cx),
        }
    }
}

fn streaming(
    content_type: ContentType,
    received: ResponseMessages,
    trailers: Trailers,
) -> Response {
    let mut response = Response::new(content_type, Body::stream(received));
    response.follow(trailers);
    response
}

/// The headers of a response.
struct ResponseHead {
    /// Whether the head contains the status.
    told: bool,
    /// `None` if the content type is not gRPC.
    content_type: Option<ContentType>,
    encoding: Result<Option<Encoding>>,
    /// Whether the head marks the body as a stream, as Micro servers do.
    of_ours: bool,
    metadata: Metadata,
}

impl ResponseHead {
    /// Reads all headers in one pass.
    fn read(headers: &HeaderMap) -> Self {
        let mut said = ResponseHead {
            told: false,
            content_type: None,
            encoding: Ok(None),
            of_ours: false,
            metadata: Metadata::new(),
        };
        for (name, value) in headers {
            if *name == header::CONTENT_TYPE {
                said.content_type = head::content_type(value, None);
            } else if *name == status::STATUS {
                said.told = true;
            } else if *name == ENCODING {
                said.encoding = Encoding::named(value.to_str().unwrap_or_default());
            } else if *name == propagation::BODY {
                said.of_ours = true;
            } else {
                metadata::read_entry(name, value, "", &mut said.metadata);
            }
        }
        said
    }
}

fn not_grpc(headers: &HeaderMap, http: StatusCode) -> Error {
    match status::read(headers, http) {
        Err(error) if http != StatusCode::OK => error,
        _ => {
            let named = headers.get(header::CONTENT_TYPE);
            let named = named
                .map_or(&b""[..], |named| named.as_bytes())
                .escape_ascii();
            Error::new(
                Code::Unknown,
                format!("the answer has content type `{named}`, which is none of gRPC"),
            )
            .with_outcome(Outcome::Unknown)
        }
    }
}

/// The messages of a response, then its status.
struct ResponseMessages {
    messages: Messages,
    /// Messages read while looking for a second one, last first.
    ahead: Vec<Bytes>,
    ended: bool,
    /// Whether the head already had a status of success.
    told: bool,
    upload: Option<Arc<Upload>>,
    deadline: Nanos,
    trailers: Trailers,
    _guard: StreamGuard,
}

impl ResponseMessages {
    /// The trailers, or the error in them.
    fn end(&mut self) -> Result<HeaderMap> {
        let trailers = self.messages.trailers().unwrap_or_default();
        if !self.told {
            status::read(&trailers, StatusCode::OK)?;
        }
        Ok(trailers)
    }

    /// The only message, and the trailers; `None` if there may be more and the body was not marked as a
    /// single message.
    async fn whole(&mut self, expected: Expected) -> Result<Option<(Bytes, HeaderMap)>> {
        poll_fn(|cx| {
            loop {
                match ready!(self.messages.poll_message(cx))
                    .transpose()
                    .map_err(|error| in_time(unknown(error), self.deadline))?
                {
                    Some(message) => {
                        self.ahead.push(message);
                        if self.ahead.len() > 1 {
                            // Taken from the end.
                            self.ahead.reverse();
                            return Poll::Ready(match expected {
                                Expected::Message => Err(Error::unimplemented(
                                    "the answer has a second message where one was expected",
                                )),
                                _ => Ok(None),
                            });
                        }
                    }
                    None => {
                        self.ended = true;
                        let trailers = self.end()?;
                        let message = self.ahead.pop().ok_or_else(|| {
                            Error::unimplemented("the answer went well and has no message")
                        })?;
                        return Poll::Ready(Ok(Some((message, trailers))));
                    }
                }
            }
        })
        .await
    }
}

impl Stream for ResponseMessages {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(message) = this.ahead.pop() {
            return Poll::Ready(Some(Ok(message)));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        match ready!(this.messages.poll_message(cx)) {
            Some(Ok(message)) => Poll::Ready(Some(Ok(message))),
            Some(Err(error)) => {
                this.ended = true;
                let error = in_time(unknown(error), this.deadline);
                Poll::Ready(Some(Err(match &this.upload {
                    Some(upload) => upload.cause(error),
                    None => error,
                })))
            }
            None => {
                this.ended = true;
                Poll::Ready(match this.end() {
                    Ok(_) if this.told => None,
                    Ok(told) => {
                        let mut trailers = Metadata::new();
                        metadata::read(&told, "", &mut trailers);
                        this.trailers.set(trailers);
                        None
                    }
                    Err(error) => Some(Err(error)),
                })
            }
        }
    }
}

/// A server cancels a call whose deadline has passed, which may be known here before the deadline passes here.
pub(super) fn in_time(error: Error, deadline: Nanos) -> Error {
    if error.code() != Code::Cancelled || time::now() < deadline {
        return error;
    }
    let outcome = error.outcome();
    Error::deadline_exceeded("the server gave up as the time was over")
        .with_outcome(outcome)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_cancelled_near_its_deadline_has_exceeded_it() {
        let now = time::now();
        let code = |error, deadline| in_time(error, deadline).code();
        let cancelled = || Error::cancelled("the other side cancelled the call");
        assert_eq!(code(cancelled(), now), Code::DeadlineExceeded);
        assert_eq!(code(cancelled(), Nanos::MAX), Code::Cancelled);
        assert_eq!(code(Error::unavailable("it broke"), now), Code::Unavailable);
        let outcome = in_time(cancelled().with_outcome(Outcome::Unknown), now).outcome();
        assert_eq!(outcome, Outcome::Unknown);
    }
}
