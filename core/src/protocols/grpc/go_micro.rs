//! What go-micro adds to gRPC: a second name of the content type, and errors in text and details.

use http::{HeaderValue, StatusCode};
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{
    base64,
    error::{
        Code, Error,
        details::{Any, Status},
    },
    message::ContentType,
};

/// An error in go-micro's form: its JSON is the text of the status, its Protobuf a detail.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
struct GoMicroError {
    #[prost(string, tag = "1")]
    #[serde(default)]
    id: String,
    #[prost(int32, tag = "2")]
    #[serde(default)]
    code: i32,
    #[prost(string, tag = "3")]
    #[serde(default)]
    detail: String,
    #[prost(string, tag = "4")]
    #[serde(default)]
    status: String,
}

/// go-micro's name of a content type, by which its servers choose the codec of their response; `None` for
/// Protobuf, which they use if a request names none.
pub(super) fn content_type(content_type: &ContentType) -> Option<HeaderValue> {
    match content_type {
        ContentType::Protobuf => None,
        ContentType::Bytes => Some(HeaderValue::from_static("application/grpc+bytes")),
        other => HeaderValue::try_from(other.as_str()).ok(),
    }
}

/// The text of the status, and the value of `grpc-status-details-bin`.
pub(super) fn write(error: &Error) -> (String, String) {
    let code = error.http_status();
    let status = StatusCode::from_u16(code).ok();
    let status = status.and_then(|status| status.canonical_reason());
    let told = GoMicroError {
        id: match error.origin() {
            "" => "go.micro.server".to_owned(),
            origin => origin.to_owned(),
        },
        code: code.into(),
        detail: error.message().to_owned(),
        status: status.unwrap_or_default().to_owned(),
    };
    let message = serde_json::to_string(&told).unwrap_or_else(|_| told.detail.clone());
    let details = Status {
        code: error.code().number().into(),
        message: message.clone(),
        details: vec![Any {
            type_url: "type.googleapis.com/errors.Error".to_owned(),
            value: told.encode_to_vec(),
        }],
    };
    (message, base64::unpadded(&details.encode_to_vec()))
}

/// The error in a status' text, if it is one of go-micro's; `code` is that of the status, which is
/// coarser.
pub(super) fn read(code: Code, text: &str) -> Option<Error> {
    if !text.starts_with('{') {
        return None;
    }
    let told: GoMicroError = serde_json::from_str(text).ok()?;
    if told.code == 0 && told.detail.is_empty() {
        return None;
    }
    let status = u16::try_from(told.code).ok();
    let code = match (code, told.code) {
        (Code::Unknown, 400) => Code::InvalidArgument,
        (Code::Unknown, 401) => Code::Unauthenticated,
        (Code::Unknown, 403) => Code::PermissionDenied,
        (Code::Unknown, 404) => Code::NotFound,
        (Code::Unknown, 408 | 504) => Code::DeadlineExceeded,
        (Code::Unknown, 409) => Code::AlreadyExists,
        (Code::Unknown, 412) => Code::FailedPrecondition,
        (Code::Unknown, 429) => Code::ResourceExhausted,
        (Code::Unknown, 500) => Code::Internal,
        (Code::Unknown, 501) => Code::Unimplemented,
        (Code::Unknown, 502 | 503) => Code::Unavailable,
        (code, _) => code,
    };
    let error = Error::new(code, told.detail).with_origin(told.id);
    Some(match status {
        // Errors with the bare text have none.
        None | Some(0) => error,
        Some(status) => error.with_http_status(status),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn error_has_the_form_of_go_micro() {
        let error = Error::not_found("no such name").with_origin("greeter");
        let (text, details) = write(&error);
        let expected =
            r#"{"id":"greeter","code":404,"detail":"no such name","status":"Not Found"}"#;
        assert_eq!(text, expected);
        let details = base64::decode(&details).unwrap();
        let details = Status::decode(&*details).unwrap();
        assert_eq!((details.code, &*details.message), (5, expected));
        let told = GoMicroError::decode(&*details.details[0].value).unwrap();
        assert_eq!((told.code, &*told.detail), (404, "no such name"));
        let back = read(Code::NotFound, &text).unwrap();
        assert_eq!(back.code(), Code::NotFound);
        assert_eq!((back.origin(), back.message()), ("greeter", "no such name"));
    }

    #[test]
    fn status_without_a_code_survives() {
        let teapot = Error::unknown("short and stout").with_http_status(418);
        let (text, _) = write(&teapot);
        assert!(text.contains(r#""code":418"#), "{text}");
        let back = read(Code::Unknown, &text).unwrap();
        assert_eq!((back.code(), back.http_status()), (Code::Unknown, 418));
    }

    #[test]
    fn other_text_is_no_error_of_go_micro() {
        for text in ["", "plain", "{", "{}", r#"{"other":1}"#, "[1]"] {
            assert!(read(Code::Internal, text).is_none(), "{text}");
        }
        let fine = read(Code::Unknown, r#"{"code":429,"detail":"x"}"#).unwrap();
        assert_eq!(fine.code(), Code::ResourceExhausted);
    }
}
