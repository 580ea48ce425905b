//! The target of a request, in the form its method asks for: RFC 9112, section 3.2.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version, header};

use super::error::MessageError;

/// Reads a target. `CONNECT` is refused by 501, as nothing here is a proxy.
pub(super) fn read(method: &Method, target: Bytes) -> Result<Uri, MessageError> {
    if !target.iter().all(|byte| may_stand(*byte)) {
        return Err(MessageError::bad(
            "the request's target has a character that must be percent-encoded",
        ));
    }
    if !is_escaped_well(&target) {
        return Err(MessageError::bad(
            "the request's target has a `%` without two hexadecimal digits",
        ));
    }
    if method == Method::CONNECT {
        let why = "`CONNECT` is not served here: this is no proxy";
        return Err(MessageError::Refused(
            StatusCode::NOT_IMPLEMENTED,
            why.into(),
        ));
    }
    let is_path = matches!(
        (&target[..], method),
        ([b'/', ..], _) | (b"*", &Method::OPTIONS)
    );
    let uri = Uri::from_maybe_shared(target)
        .map_err(|_| MessageError::bad("the request's target is no URI"))?;
    if is_path {
        return Ok(uri);
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if !matches!(scheme, "http" | "https") || authority.is_empty() {
        return Err(MessageError::bad(
            "the request's target is neither a path nor a URI of HTTP",
        ));
    }
    if !is_host(authority.as_bytes()) {
        return Err(MessageError::bad("the authority of the target is no host"));
    }
    Ok(uri)
}

/// What browsers send as it is may stand in a target, though RFC 3986 would have some of it encoded.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'#' | b'\\')
}

fn is_escaped_well(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match &rest[at + 1..] {
            [a, b, after @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest = after,
            _ => return false,
        }
    }
    true
}

/// Checks `Host`: exactly one in 1.1, at most one before, and what it may hold. RFC 9112, section 3.2.
pub(super) fn check_host(version: Version, headers: &HeaderMap) -> Result<(), MessageError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(MessageError::bad("a request of HTTP/1.1 needs a `host`")),
        (Some(_), Some(_)) => Err(MessageError::bad("a request has one `host`, not several")),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err(MessageError::bad("the `host` of the request is no host")),
    }
}

/// Whether this is `uri-host [ ":" port ]` of RFC 3986; an empty one stands for a URI without authority.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else {
                return false;
            };
            let literal = &rest[..end];
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if literal.is_empty() || !literal.iter().all(is_address) {
                return false;
            }
            match &rest[end + 1..] {
                [] => return true,
                [b':', port @ ..] => (&[][..], port),
                _ => return false,
            }
        }
        _ => match memchr::memchr(b':', text) {
            None => (text, &[][..]),
            Some(0) => return false,
            Some(at) => (&text[..at], &text[at + 1..]),
        },
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    host.iter().all(is_name)
        && is_escaped_well(host)
        && port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn request_target_form_follows_the_method() {
        for (method, target, path) in [
            (Method::POST, "/Greeter.Hello", "/Greeter.Hello"),
            (Method::GET, "/a?b[]=%20|{}", "/a"),
            (Method::GET, "http://host:80/a", "/a"),
            (Method::GET, "HTTPS://host", "/"),
            (Method::OPTIONS, "*", "*"),
            (Method::GET, "//two", "//two"),
        ] {
            let uri = read(&method, Bytes::from_static(target.as_bytes())).unwrap();
            assert_eq!(uri.path(), path, "{target}");
        }
        for (method, target) in [
            (Method::GET, "*"),
            (Method::GET, "host:80"),
            (Method::GET, "a/b"),
            (Method::GET, "ftp://host/"),
            (Method::GET, "http:///a"),
            (Method::GET, "http://me@host/"),
            (Method::GET, "/a#b"),
            (Method::GET, "/%4"),
            (Method::GET, "/ä"),
            (Method::CONNECT, "host:80"),
        ] {
            let read = read(&method, Bytes::from_static(target.as_bytes()));
            assert!(read.is_err(), "{target}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_with_ports() {
        for good in ["", "a", "a.b:80", "127.0.0.1:1", "[::1]", "[::1]:80", "a:"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            ":80", "a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "[]", "[::1]x", "a?b", "a,b c",
            "a:123456", "%zz", "a#", "\u{e9}",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
