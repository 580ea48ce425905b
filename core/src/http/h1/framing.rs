//! The length of a message's body: RFC 9112, section 6.3, without guesses.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::error::MessageError;

/// How the body's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// There is no body.
    None,
    /// By its length.
    Length(u64),
    /// By chunks, with optional trailers.
    Chunked,
    /// By the end of the connection; responses only.
    UntilClose,
}

impl BodyFraming {
    /// For a request.
    pub(super) fn of_request(version: Version, headers: &HeaderMap) -> Result<Self, MessageError> {
        match said(version, headers)? {
            Some(framing) => Ok(framing),
            None => Ok(BodyFraming::None),
        }
    }

    /// For the response to a request with a method.
    pub(super) fn of_response(
        info: &Method,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, MessageError> {
        let said = said(version, headers)?;
        let bodiless = info == Method::HEAD
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        Ok(match said {
            _ if bodiless => BodyFraming::None,
            Some(framing) => framing,
            None => BodyFraming::UntilClose,
        })
    }
}

/// By the headers; `None` if they have no length.
fn said(version: Version, headers: &HeaderMap) -> Result<Option<BodyFraming>, MessageError> {
    let coded = headers.contains_key(TRANSFER_ENCODING);
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (coded, lengths.next()) {
        (false, None) => Ok(None),
        (true, Some(_)) => Err(MessageError::bad(
            "a message has a `content-length` or a `transfer-encoding`, not both",
        )),
        (true, None) if version == Version::HTTP_10 => {
            Err(MessageError::bad("HTTP/1.0 has no `transfer-encoding`"))
        }
        (true, None) => check_chunked(headers).map(|()| Some(BodyFraming::Chunked)),
        (false, Some(_)) if lengths.next().is_some() => {
            Err(MessageError::bad("a message has one `content-length`"))
        }
        (false, Some(length)) => read_length(length).map(|n| Some(BodyFraming::Length(n))),
    }
}

/// Only digits: no sign, no list, no space, less than 2^64.
fn read_length(value: &HeaderValue) -> Result<u64, MessageError> {
    let digits = value.as_bytes();
    let number = std::str::from_utf8(digits)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    number.ok_or_else(|| MessageError::bad("the `content-length` is no number of bytes"))
}

/// Only `chunked`, and once. Other codings before it are 501, anything else 400: RFC 9112, sections
/// 6.1 and 6.3.
fn check_chunked(headers: &HeaderMap) -> Result<(), MessageError> {
    let mut chunked = false;
    let mut others = false;
    for value in headers.get_all(TRANSFER_ENCODING) {
        let text = value.to_str().map_err(|_| unclear())?;
        for coding in text.split(',') {
            let coding = coding.trim_matches([' ', '\t']);
            let name = coding.split([';', ' ', '\t']).next().unwrap_or_default();
            if name.is_empty() || !name.bytes().all(is_token) || chunked {
                return Err(unclear());
            }
            chunked = coding.eq_ignore_ascii_case("chunked");
            others |= !chunked;
        }
    }
    match (chunked, others) {
        (false, _) => Err(unclear()),
        (true, false) => Ok(()),
        (true, true) => {
            let why = "of transfer codings only `chunked` is understood";
            Err(MessageError::Refused(
                StatusCode::NOT_IMPLEMENTED,
                why.into(),
            ))
        }
    }
}

fn unclear() -> MessageError {
    MessageError::bad("the `transfer-encoding` does not end in one `chunked`")
}

/// Whether a byte may be part of a token: RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
