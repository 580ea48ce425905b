//! Heads of messages, as strictly as in RFC 9112: one space, CRLF, no folding, no control characters.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, request,
    response,
};

use super::{error::MessageError, framing::is_token, target};

/// The largest number of header fields, and of trailer fields.
const MAX_HEADER_FIELDS: usize = 100;
/// The longest method.
const MAX_METHOD_SIZE: usize = 32;
/// The longest target of a request, in bytes: RFC 9112, section 3, asks for 8,000 at least.
pub(super) const MAX_TARGET_SIZE: usize = 8 * 1024;

/// The head of a request, up to its empty line.
pub(super) fn request(head: &Bytes) -> Result<request::Parts, MessageError> {
    let line_end = end_of_line(head);
    let line = request_line(&head[..line_end])?;
    let mut parts = Request::new(()).into_parts().0;
    parts.version = line.version;
    parts.headers = fields(head, line_end + 2)?;
    parts.uri = target::read(&line.method, head.slice_ref(line.target))?;
    parts.method = line.method;
    target::check_host(parts.version, &parts.headers)?;
    check_expectation(&parts)?;
    Ok(parts)
}

/// The head of a response, up to its empty line.
pub(super) fn response(head: &Bytes) -> Result<response::Parts, MessageError> {
    let line_end = end_of_line(head);
    let mut parts = Response::new(()).into_parts().0;
    (parts.version, parts.status) = status_line(&head[..line_end])?;
    parts.headers = fields(head, line_end + 2)?;
    Ok(parts)
}

/// The end of the first line; every line feed of a head follows a carriage return.
fn end_of_line(head: &[u8]) -> usize {
    memchr::memchr(b'\n', head).map_or(head.len(), |at| at - 1)
}

/// A request's first line, without its end.
pub(super) struct RequestLine<'a> {
    method: Method,
    target: &'a [u8],
    version: Version,
}

/// Parses a request's first line.
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, MessageError> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(MessageError::bad(
            "a request begins with method, target and version",
        ));
    };
    if method.len() > MAX_METHOD_SIZE {
        return Err(MessageError::Refused(
            StatusCode::NOT_IMPLEMENTED,
            "no method is that long".into(),
        ));
    }
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(MessageError::bad("the request's method is no token"));
    }
    if target.len() > MAX_TARGET_SIZE {
        return Err(too_long());
    }
    if target.is_empty() {
        return Err(MessageError::bad("the request has no target"));
    }
    let version = read_version(version)?;
    let method = Method::from_bytes(method)
        .map_err(|_| MessageError::bad("the request's method is no token"))?;
    Ok(RequestLine {
        method,
        target,
        version,
    })
}

/// A target over the limit: 414.
pub(super) fn too_long() -> MessageError {
    let why = format!("the request's target is over {MAX_TARGET_SIZE} bytes");
    MessageError::Refused(StatusCode::URI_TOO_LONG, why.into())
}

/// `HTTP/1.1` or `HTTP/1.0`; other versions are 505, and anything else 400.
fn read_version(text: &[u8]) -> Result<Version, MessageError> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(MessageError::Refused(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "only HTTP/1.1 and HTTP/1.0 are spoken so".into(),
            ))
        }
        _ => Err(MessageError::bad("the first line names no version of HTTP")),
    }
}

fn status_line(line: &[u8]) -> Result<(Version, StatusCode), MessageError> {
    let wrong = || MessageError::bad("the response's first line is no status line");
    let (version, rest) = line.split_at_checked(8).ok_or_else(wrong)?;
    let version = read_version(version)?;
    let (status, reason) = match rest {
        [b' ', a, b, c] => ([*a, *b, *c], &[][..]),
        [b' ', a, b, c, b' ', reason @ ..] => ([*a, *b, *c], reason),
        _ => return Err(wrong()),
    };
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if !reason.iter().all(is_text) {
        return Err(wrong());
    }
    let status = StatusCode::from_bytes(&status).map_err(|_| wrong())?;
    Ok((version, status))
}

/// The fields from `start` to the empty line.
pub(super) fn fields(head: &Bytes, start: usize) -> Result<HeaderMap, MessageError> {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEADER_FIELDS];
    let section = &head[start..];
    let fields = match httparse::parse_headers(section, &mut room) {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => fields,
        Ok(_) => return Err(MessageError::bad("the head does not end where it seems to")),
        Err(httparse::Error::TooManyHeaders) => {
            let why = format!("there are more than {MAX_HEADER_FIELDS} header fields");
            return Err(MessageError::Refused(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                why.into(),
            ));
        }
        Err(error) => {
            return Err(MessageError::bad(format!(
                "a header field is wrong: {error}"
            )));
        }
    };
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let name = name.map_err(|_| MessageError::bad("a header field has a wrong name"))?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value));
        let value = value.map_err(|_| MessageError::bad(format!("`{name}` has a wrong value")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The only expectation that exists, in 1.1; others are 417, and in 1.0 it is ignored: RFC 9110, section
/// 10.1.1.
fn check_expectation(head: &request::Parts) -> Result<(), MessageError> {
    let mut expected = head.headers.get_all(http::header::EXPECT).iter();
    let known = expected.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    match known || head.version == Version::HTTP_10 {
        true => Ok(()),
        false => Err(MessageError::Refused(
            StatusCode::EXPECTATION_FAILED,
            "only `100-continue` can be expected".into(),
        )),
    }
}

/// Whether the sender waits for `100 Continue` before it sends the body.
pub(crate) fn expects_continue(head: &request::Parts) -> bool {
    head.version == Version::HTTP_11 && head.headers.contains_key(http::header::EXPECT)
}

/// Whether the connection may carry another message: RFC 9112, section 9.3.
pub(crate) fn is_kept(version: Version, headers: &HeaderMap) -> bool {
    let says = |option: &str| {
        headers
            .get_all(http::header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|said| said.trim().eq_ignore_ascii_case(option))
    };
    match version {
        Version::HTTP_10 => says("keep-alive") && !says("close"),
        _ => !says("close"),
    }
}
