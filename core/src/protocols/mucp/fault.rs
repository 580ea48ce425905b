//! Errors in go-micro's form: JSON with four keys, or plain text.

use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Outcome};

/// An error in go-micro's form. Every key is written, since versions up to v1 need all of them.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct GoMicroError {
    id: String,
    code: i32,
    detail: String,
    status: String,
}

/// The text of an error: one line of ASCII, which a header can contain.
pub(crate) fn write(error: &Error) -> String {
    let code = error.http_status();
    let status = StatusCode::from_u16(code).ok();
    let status = status.and_then(|status| status.canonical_reason());
    let id = match error.origin() {
        "" => "go.micro.server",
        origin => origin,
    };
    let told = GoMicroError {
        id: id.to_owned(),
        code: code.into(),
        detail: error.message().to_owned(),
        status: status.unwrap_or_default().to_owned(),
    };
    let json = serde_json::to_string(&told).unwrap_or_default();
    ascii(&json)
}

/// JSON whose strings are ASCII, which every reader understands alike.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// A text as the value of a header, if possible.
pub(super) fn header(text: &str) -> HeaderValue {
    let line: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    HeaderValue::from_bytes(line.as_bytes()).unwrap_or(HeaderValue::from_static("error"))
}

/// Parses the text of an error.
pub(super) fn read(text: &str) -> Error {
    let told = match text.trim_start().starts_with('{') {
        true => serde_json::from_str::<GoMicroError>(text).unwrap_or_default(),
        false => GoMicroError::default(),
    };
    if told.code == 0 && told.detail.is_empty() {
        return plain(text);
    }
    let code = code(told.code);
    let text = match told.detail.is_empty() {
        true => told.status,
        false => told.detail,
    };
    let error = Error::new(code, text).with_origin(told.id);
    match u16::try_from(told.code) {
        // A status without a code is kept beside the code.
        Ok(status @ 100..) if status != code.http_status() => error.with_http_status(status),
        _ => error,
    }
}

/// A plain text of go-micro's framework means that no work was begun.
fn plain(text: &str) -> Error {
    let unknown = ["rpc: can't find service", "rpc: can't find method"];
    if unknown.iter().any(|begin| text.starts_with(begin)) {
        return Error::not_found(text.to_owned()).with_outcome(Outcome::Rejected);
    }
    if text.starts_with("rpc: service/") {
        return Error::invalid_argument(text.to_owned()).with_outcome(Outcome::Rejected);
    }
    Error::unknown(text.to_owned())
}

/// The code of an HTTP status; an unknown one has the code of its class.
pub(super) fn code(number: i32) -> Code {
    match number {
        400 | 405 | 406 | 415 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::AlreadyExists,
        412 => Code::FailedPrecondition,
        413 | 429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        502 | 503 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_survives() {
        for code in [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::NotFound,
            Code::DeadlineExceeded,
            Code::AlreadyExists,
            Code::FailedPrecondition,
            Code::ResourceExhausted,
            Code::Cancelled,
            Code::Internal,
            Code::Unimplemented,
            Code::Unavailable,
        ] {
            let error =
                Error::new(code, "bad <input> & \"quotes\"\r\nline two ü🦀").with_origin("a.b");
            let text = write(&error);
            assert!(
                text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
                "{text}"
            );
            assert_eq!(header(&text).to_str().ok(), Some(&*text));
            let back = read(&text);
            assert_eq!(back.code(), code);
            assert_eq!(back.message(), error.message());
            assert_eq!(back.origin(), "a.b");
        }
    }

    #[test]
    fn all_four_keys_are_written() {
        assert_eq!(
            write(&Error::not_found("no such thing").with_origin("greeter.fail")),
            r#"{"id":"greeter.fail","code":404,"detail":"no such thing","status":"Not Found"}"#
        );
    }

    #[test]
    fn other_text_is_the_message() {
        for (text, code) in [
            ("plain failure", Code::Unknown),
            ("{not json", Code::Unknown),
            ("{\"other\":1}", Code::Unknown),
            ("[1]", Code::Unknown),
            ("rpc: can't find service Nobody", Code::NotFound),
            ("rpc: can't find method Greeter.Nothing", Code::NotFound),
            (
                "rpc: service/endpoint request ill-formed:",
                Code::InvalidArgument,
            ),
        ] {
            let error = read(text);
            assert_eq!((error.code(), error.message()), (code, text));
        }
        let teapot = read(r#"{"code":418,"detail":"short"}"#);
        assert_eq!((teapot.message(), teapot.http_status()), ("short", 418));
        assert!(write(&teapot).contains("\"code\":418"));
        assert_eq!(read(r#"{"detail":"late"}"#).message(), "late");
    }
}
