//! An answer of HTTP as one of ours.

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
    messages::{Feeding, Messages},
    metadata, status,
};
use crate::{
    codec::transcode,
    error::{Code, Error, Outcome, Result},
    message::{Body, BodyStream, Expected, Response},
    transport::http::{HttpBody, compression::Compression, h2::client::Busy, travel},
};

/// The answer that an HTTP response brings.
pub(super) async fn answer(
    response: HttpResponse<HttpBody>,
    busy: Busy,
    expected: Expected,
    feeding: Option<Arc<Feeding>>,
    most: usize,
) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let told = parts.headers.contains_key(status::STATUS);
    if told {
        // The trailers are all there is.
        status::read(&parts.headers, parts.status)?;
    }
    let named = parts.headers.get(header::CONTENT_TYPE);
    let content_type = named
        .filter(|_| parts.status == StatusCode::OK)
        .and_then(|named| head::content_type(named, None));
    let Some(content_type) = content_type else {
        return Err(not_grpc(&parts.headers, parts.status));
    };
    let encoding = parts.headers.get(ENCODING);
    let encoding = encoding.and_then(|encoding| encoding.to_str().ok());
    let encoding = Compression::named(encoding.unwrap_or_default()).map_err(|error| {
        // The other side was told what is known here.
        Error::internal(error.message().to_owned()).with_outcome(Outcome::Unknown)
    })?;
    let of_ours = parts.headers.contains_key(travel::BODY);
    if let Some(feeding) = &feeding {
        feeding.to_ours.store(of_ours, Relaxed);
    }
    let messages = Messages::new(body, encoding, most);
    let mut received = Received {
        messages,
        ahead: Vec::new(),
        ended: false,
        told,
        feeding,
        _busy: busy,
    };
    let expected = match expected {
        Expected::Unsaid if of_ours => Expected::Stream,
        expected => expected,
    };
    let mut response = match expected {
        Expected::Stream => Response::new(content_type, Body::stream(received)),
        expected => match received.whole(expected).await? {
            Some((message, trailers)) => {
                let mut response = Response::new(content_type, message);
                if let Some(load) = trailers.get(&travel::LOAD) {
                    response.load = load.to_str().unwrap_or_default().parse().unwrap_or(0);
                }
                metadata::read(&trailers, metadata::TRAILER, response.metadata_mut());
                response
            }
            None => Response::new(content_type, Body::stream(received)),
        },
    };
    metadata::read(&parts.headers, "", response.metadata_mut());
    Ok(response)
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

/// The messages of an answer, and then how it ended.
struct Received {
    messages: Messages,
    /// Messages taken out before it was known that there are more.
    ahead: Vec<Bytes>,
    ended: bool,
    /// Whether it was said beforehand that it went well.
    told: bool,
    feeding: Option<Arc<Feeding>>,
    _busy: Busy,
}

impl Received {
    /// The trailers; an error if they tell one.
    fn end(&mut self) -> Result<HeaderMap> {
        let trailers = self.messages.trailers().unwrap_or_default();
        if !self.told {
            status::read(&trailers, StatusCode::OK)?;
        }
        Ok(trailers)
    }

    /// The only message, and the trailers; `None` where there may be more and nobody said that there are
    /// not.
    async fn whole(&mut self, expected: Expected) -> Result<Option<(Bytes, HeaderMap)>> {
        poll_fn(|cx| {
            loop {
                match ready!(self.messages.poll_message(cx))
                    .transpose()
                    .map_err(unknown)?
                {
                    Some(message) => {
                        self.ahead.push(message);
                        if self.ahead.len() > 1 {
                            // To be taken from the end.
                            self.ahead.reverse();
                            return Poll::Ready(match expected {
                                Expected::Message => Err(Error::internal(
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
                            Error::internal("the answer went well and has no message")
                        })?;
                        return Poll::Ready(Ok(Some((message, trailers))));
                    }
                }
            }
        })
        .await
    }
}

impl Stream for Received {
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
                let error = unknown(error);
                Poll::Ready(Some(Err(match &this.feeding {
                    Some(feeding) => feeding.cause(error),
                    None => error,
                })))
            }
            None => {
                this.ended = true;
                Poll::Ready(this.end().err().map(Err))
            }
        }
    }
}

/// What goes wrong while an answer comes says nothing of the work, unless that it is too large.
fn unknown(error: Error) -> Error {
    match error.code() {
        Code::ResourceExhausted => error.with_outcome(Outcome::Answered),
        _ => error.with_outcome(Outcome::Unknown),
    }
}

/// Messages in JSON, of those in MessagePack.
pub(super) struct AsJson(pub(super) BodyStream);

impl Stream for AsJson {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(next.map(|message| transcode::msgpack_to_json(&message?)))
    }
}
