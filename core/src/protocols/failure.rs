//! Errors in plain HTTP, outside any dialect: a status, and
//! `{"code":"not_found","message":"…"}`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::propagation;
use crate::{
    error::{Code, Error, Outcome, details::DETAILS},
    http::HttpBody,
};

/// An error in Connect's form: `{"code":"not_found","message":"…"}`.
pub(crate) fn failed(error: &Error, status: StatusCode) -> Response<HttpBody> {
    let code = error.code().as_str();
    let body = serde_json::json!({ "code": code, "message": error.message() });
    let mut response = Response::new(HttpBody::Whole(body.to_string().into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    propagation::write_error(error, headers);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    response
}

/// The error in a response whose status is not a success, with a body of at most `most` bytes.
pub(crate) async fn read(
    status: StatusCode,
    headers: &HeaderMap,
    body: HttpBody,
    most: usize,
) -> Error {
    let text = body.collect(most).await.map(|(text, _)| text);
    error_of(status, headers, &text.unwrap_or_default())
}

/// The error in a response: from its body if that is in Connect's form, otherwise from its status.
fn error_of(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Error {
    let told: Option<Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| told.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let code = field("code").and_then(|name| code(&name));
    let message = field("message").unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        format!("the node answered {status}: {text}")
    });
    let mut error = Error::new(code.unwrap_or_else(|| of_status(status)), message);
    if let Some(outcome) = headers.get(&propagation::OUTCOME) {
        error = error.with_outcome(match outcome.as_bytes() {
            b"rejected" => Outcome::Rejected,
            b"not sent" => Outcome::NotSent,
            _ => Outcome::Unknown,
        });
    }
    if let Some(details) = headers.get(DETAILS).and_then(|said| said.to_str().ok()) {
        error.metadata_mut().insert(DETAILS, details);
    }
    let after = headers.get(header::RETRY_AFTER);
    let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
    match after {
        Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
        None => error,
    }
}

fn code(name: &str) -> Option<Code> {
    // Connect spells it with one `l`.
    let name = if name == "canceled" {
        "cancelled"
    } else {
        name
    };
    let mut codes = (1..=16).map(Code::from_number);
    codes.find(|code| code.as_str() == name)
}

/// The code of a status, if nothing else is known.
fn of_status(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 | 410 => Code::NotFound,
        405 | 415 | 501 => Code::Unimplemented,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::Aborted,
        412 => Code::FailedPrecondition,
        413 | 414 | 429 | 431 => Code::ResourceExhausted,
        416 => Code::OutOfRange,
        499 => Code::Cancelled,
        502 | 503 => Code::Unavailable,
        500 => Code::Internal,
        _ => Code::Unknown,
    }
}

/// The code of a status in gRPC and Connect, if neither says what went wrong:
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
pub(crate) fn rpc_code(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The response to a request that is not a call of the dialect: a status, with a header that helps.
pub(crate) fn refused(
    status: StatusCode,
    name: header::HeaderName,
    value: &'static str,
) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = status;
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn error_is_what_the_server_made() {
        let made = Error::unavailable("busy")
            .with_outcome(Outcome::Rejected)
            .with_retry_after(Duration::from_millis(2500));
        let (head, body) = failed(&made, StatusCode::SERVICE_UNAVAILABLE).into_parts();
        let error = read(head.status, &head.headers, body, 100).await;
        assert_eq!((error.code(), error.message()), (Code::Unavailable, "busy"));
        assert_eq!(error.outcome(), Outcome::Rejected);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    }
}
