//! The end of a call, in trailers.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{go_micro, metadata, percent};
use crate::{
    base64,
    error::{Code, Error, Outcome, Result, details},
    protocols::{failure, propagation},
};

pub(crate) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(super) const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static(details::DETAILS);
/// How long callers are asked to wait, in milliseconds.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The value for success.
pub(super) const STATUS_OK: HeaderValue = HeaderValue::from_static("0");

/// Writes an error, in a form that go-micro reads as well.
pub(super) fn write(error: &Error, to_go_micro: bool, trailers: &mut HeaderMap) {
    metadata::write_bare(error.metadata(), trailers);
    if let Some(details) = details(error) {
        trailers.insert(DETAILS, details);
    }
    trailers.insert(STATUS, HeaderValue::from(u16::from(error.code().number())));
    if to_go_micro {
        let (message, details) = go_micro::write(error);
        trailers.insert(MESSAGE, percent::encode(&message));
        if let Ok(details) = HeaderValue::try_from(details)
            && !trailers.contains_key(DETAILS)
        {
            trailers.insert(DETAILS, details);
        }
    } else if !error.message().is_empty() {
        trailers.insert(MESSAGE, percent::encode(error.message()));
    }
    if error.outcome() != Outcome::Answered {
        let outcome = HeaderValue::from_static(error.outcome().as_str());
        trailers.insert(propagation::OUTCOME, outcome);
    }
    if !error.origin().is_empty() && !to_go_micro {
        trailers.insert(propagation::ORIGIN, percent::encode(error.origin()));
    }
    if let Some(after) = error.retry_after() {
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        trailers.insert(PUSHBACK, HeaderValue::from(millis));
    }
}

/// The details of an error with its code and text, which readers prefer to those of the headers; `None`
/// if there are none, or if they contain code and text already.
fn details(error: &Error) -> Option<HeaderValue> {
    let mut status = error.status().filter(|status| status.code == 0)?;
    status.code = error.code().number().into();
    error.message().clone_into(&mut status.message);
    HeaderValue::try_from(base64::unpadded(&prost::Message::encode_to_vec(&status))).ok()
}

/// The end of a call: from its trailers, or from the HTTP status if they have none.
pub(super) fn read(trailers: &HeaderMap, http: StatusCode) -> Result<()> {
    let Some(status) = trailers.get(STATUS) else {
        return Err(of_http(http).with_outcome(Outcome::Unknown));
    };
    let number = status.to_str().ok().and_then(|text| text.parse().ok());
    if number == Some(0) {
        return Ok(());
    }
    // Anything but a number of gRPC is unknown, as is a number that gRPC does not have.
    let code = number.map_or(Code::Unknown, Code::from_number);
    let text = trailers
        .get(MESSAGE)
        .map(|text| percent::decode(text.as_bytes()));
    let text = text.unwrap_or_default();
    let mut error = go_micro::read(code, &text).unwrap_or_else(|| Error::new(code, text));
    metadata::read(trailers, "", error.metadata_mut());
    error.metadata_mut().remove(PUSHBACK.as_str());
    let said = |name: &HeaderName| trailers.get(name).and_then(|value| value.to_str().ok());
    let outcome = trailers.get(propagation::OUTCOME);
    let outcome = outcome.map(|outcome| outcome.as_bytes());
    error = error.with_outcome(propagation::read_outcome(outcome));
    if let Some(origin) = trailers.get(propagation::ORIGIN) {
        error = error.with_origin(percent::decode(origin.as_bytes()));
    }
    if let Some(millis) = said(&PUSHBACK).and_then(|text| text.parse().ok()) {
        error = error.with_retry_after(Duration::from_millis(millis));
    }
    Err(error)
}

/// The code of an HTTP status, if gRPC's own is missing.
fn of_http(status: StatusCode) -> Error {
    let code = failure::rpc_code(status);
    match status {
        StatusCode::OK => Error::new(
            Code::Internal,
            "the answer ended without saying how: `grpc-status` is missing",
        ),
        _ => Error::new(
            code,
            format!("the answer is no gRPC but HTTP status {status}"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn error_survives() {
        let mut sent = Error::resource_exhausted("full: 100 %")
            .with_outcome(Outcome::Rejected)
            .with_retry_after(Duration::from_millis(250));
        sent = sent.with_origin("shop/Orders.Place");
        sent.metadata_mut().insert("reason", "tenant");
        let mut trailers = HeaderMap::new();
        write(&sent, false, &mut trailers);
        let came = read(&trailers, StatusCode::OK).unwrap_err();
        assert_eq!(came.code(), sent.code());
        assert_eq!(came.message(), sent.message());
        assert_eq!(came.outcome(), sent.outcome());
        assert_eq!(came.origin(), sent.origin());
        assert_eq!(came.retry_after(), sent.retry_after());
        assert_eq!(came.metadata(), sent.metadata());
    }

    #[test]
    fn http_status_counts_without_a_grpc_status() {
        let error = read(&HeaderMap::new(), StatusCode::BAD_GATEWAY).unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(error.outcome(), Outcome::Unknown);
        let error = read(&HeaderMap::new(), StatusCode::OK).unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        let mut trailers = HeaderMap::new();
        trailers.insert(STATUS, STATUS_OK);
        assert!(read(&trailers, StatusCode::OK).is_ok());
    }
}
