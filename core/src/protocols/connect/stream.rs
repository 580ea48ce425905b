//! Streaming responses: messages in envelopes, then the end of the call.

use bytes::BytesMut;
use http::{HeaderValue, Response, header};

use super::{
    end,
    head::{self, RpcKind, STREAM_ENCODING},
    messages::EndOfStream,
    metadata,
};
use crate::{
    error::{Error, Result},
    http::{HttpBody, compression::Encoding},
    message::{ContentType, Metadata, Response as Answer},
    protocols::{
        envelope_stream::{Compress, EnvelopeStream},
        propagation,
    },
    time::Nanos,
};

/// A response, or the error in its place.
pub(super) fn write(
    answer: Result<Answer>,
    content_type: &ContentType,
    accepted: Option<Encoding>,
    deadline: Nanos,
) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    let headers = response.headers_mut();
    let named = head::name(RpcKind::Stream, content_type);
    headers.insert(header::CONTENT_TYPE, named);
    let mut answer = match answer {
        Ok(answer) if answer.content_type() == content_type => answer,
        Ok(answer) => {
            let other = answer.content_type();
            let error = format!("the answer is in {other}, which was not asked for");
            return failed(response, &Error::internal(error));
        }
        Err(error) => return failed(response, &error),
    };
    if let Some(accepted) = accepted {
        let named = HeaderValue::from_static(accepted.as_str());
        headers.insert(STREAM_ENCODING, named);
    }
    metadata::write(answer.metadata(), false, headers);
    if answer.load > 0 {
        headers.insert(propagation::LOAD, HeaderValue::from(answer.load));
    }
    let trailers = std::mem::take(answer.metadata_mut());
    let (_, body) = answer.into_parts();
    *response.body_mut() = match body.as_bytes() {
        None => {
            let messages = body.into_stream();
            let (compress, end) = (Compress::new(accepted, None), EndOfStream(trailers));
            HttpBody::stream(EnvelopeStream::new(
                messages,
                compress,
                usize::MAX,
                end,
                deadline,
            ))
        }
        Some(message) => match Compress::new(accepted, None).encode(message) {
            Err(error) => return failed(response, &error),
            Ok(encoded) => {
                let end = end::write(Ok(()), &trailers);
                let mut whole = BytesMut::with_capacity(encoded.len() + end.len());
                whole.extend_from_slice(&encoded);
                whole.extend_from_slice(&end);
                HttpBody::Whole(whole.freeze())
            }
        },
    };
    response
}

/// An error before any message.
fn failed(mut response: Response<HttpBody>, error: &Error) -> Response<HttpBody> {
    let end = end::write(Err(error), &Metadata::new());
    *response.body_mut() = HttpBody::Whole(end);
    response
}
