//! An answer of plain HTTP as one of ours.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response as HttpResponse, StatusCode, header};
use serde_json::Value;

use super::{LINES, lines::Messages};
use crate::{
    error::{Code, Error, Outcome, Result, details::DETAILS},
    http::HttpBody,
    message::{Body, ContentType, Response},
    protocols::propagation,
};

/// The answer that an HTTP response brings; messages of more than `most` bytes are refused.
pub(crate) async fn answer(response: HttpResponse<HttpBody>, most: usize) -> Result<Response> {
    let (head, body) = response.into_parts();
    let headers = &head.headers;
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|named| named.to_str().ok());
    let content_type = named.map_or(ContentType::Json, ContentType::parse);
    if !head.status.is_success() {
        let text = body.collect(most).await.map(|(text, _)| text);
        return Err(error(head.status, headers, &text.unwrap_or_default()));
    }
    let mut response = match content_type.as_str() {
        LINES => Response::new(ContentType::Json, Body::stream(Messages::new(body, most))),
        _ => {
            let unknown = |error: Error| error.with_outcome(Outcome::Unknown);
            let (data, _) = body.collect(most).await.map_err(unknown)?;
            Response::new(content_type, data)
        }
    };
    let load = headers
        .get(&propagation::LOAD)
        .and_then(|load| load.to_str().ok());
    response.load = load.and_then(|load| load.parse().ok()).unwrap_or(0);
    for (name, value) in headers {
        if !is_of_http(name.as_str())
            && let Ok(value) = value.to_str()
        {
            response.metadata_mut().append(name.as_str(), value);
        }
    }
    Ok(response)
}

/// Whether a header says something of the message itself, and nothing of the handler's.
fn is_of_http(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "content-length" | "date" | "server" | "connection" | "transfer-encoding"
    ) || name == propagation::LOAD.as_str()
        || name == propagation::OUTCOME.as_str()
}

/// The error that a response tells: of its body where that is Connect's form, else of its status.
fn error(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Error {
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

/// What a status means where nothing else is said.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_is_what_the_server_made() {
        let made = Error::unavailable("busy")
            .with_outcome(Outcome::Rejected)
            .with_retry_after(Duration::from_millis(2500));
        let told = super::super::failed(&made, StatusCode::SERVICE_UNAVAILABLE);
        let error = answer(told, 100).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Unavailable, "busy"));
        assert_eq!(error.outcome(), Outcome::Rejected);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    }

    #[tokio::test]
    async fn an_answer_brings_load_and_metadata() {
        let mut told = HttpResponse::new(HttpBody::Whole("{}".into()));
        for (name, value) in [
            ("content-type", "application/json; charset=utf-8"),
            ("micro-load", "250"),
            ("tenant", "acme"),
        ] {
            told.headers_mut().insert(name, value.parse().unwrap());
        }
        let answer = answer(told, 100).await.unwrap();
        assert_eq!(
            (answer.load, answer.content_type()),
            (250, &ContentType::Json)
        );
        let metadata: Vec<_> = answer.metadata().iter().collect();
        assert_eq!(metadata, [("tenant", "acme")]);
    }
}
