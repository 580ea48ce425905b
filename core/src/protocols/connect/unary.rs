//! Responses of one message, and errors, in HTTP.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{
    code, error,
    head::{self, RpcKind},
    metadata,
};
use crate::{
    error::{Error, Result},
    http::{HttpBody, compression::Encoding},
    message::{ContentType, Response as Answer},
    protocols::{envelope_stream::MIN_COMPRESSED_SIZE, propagation},
};

/// A response, or the error in its place.
pub(super) fn write(
    answer: Result<Answer>,
    content_type: &ContentType,
    accepted: Option<Encoding>,
) -> Response<HttpBody> {
    let fine = answer.and_then(|answer| fine(answer, content_type, accepted));
    fine.unwrap_or_else(|error| failed(&error, code::status(error.code())))
}

fn fine(
    answer: Answer,
    content_type: &ContentType,
    accepted: Option<Encoding>,
) -> Result<Response<HttpBody>> {
    if answer.content_type() != content_type {
        return Err(Error::internal(format!(
            "the answer is in {}, which was not asked for",
            answer.content_type()
        )));
    }
    let mut response = Response::new(HttpBody::empty());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        head::name(RpcKind::Unary, content_type),
    );
    metadata::write(answer.metadata(), true, headers);
    if answer.load > 0 {
        headers.insert(propagation::LOAD, HeaderValue::from(answer.load));
    }
    let (_, body) = answer.into_parts();
    let mut message = body.into_bytes()?;
    if let Some(accepted) = accepted.filter(|_| message.len() >= MIN_COMPRESSED_SIZE) {
        message = accepted.compress(&message)?;
        let named = HeaderValue::from_static(accepted.as_str());
        headers.insert(header::CONTENT_ENCODING, named);
    }
    *response.body_mut() = HttpBody::Whole(message);
    Ok(response)
}

/// An error with its status.
pub(super) fn failed(error: &Error, status: StatusCode) -> Response<HttpBody> {
    let body = error::write(error).to_string();
    let mut response = Response::new(HttpBody::Whole(body.into()));
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    metadata::write(&metadata::of_error(error), true, headers);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    response
}
