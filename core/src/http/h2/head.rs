//! Rules of RFC 9113 for a request's head that `h2` does not check.

use http::{
    HeaderMap, Method, Request, Uri, header,
    uri::{Authority, Scheme},
};

/// Whether a request is malformed: section 8.1.1.
///
/// `h2` has checked the names of fields, the characters of values, and the fields of a connection.
/// It removes fragments from the path and pseudo-headers from trailers, so nobody sees these.
pub(super) fn is_malformed<B>(request: &Request<B>) -> bool {
    let (uri, headers) = (request.uri(), request.headers());
    headers.values().any(|value| is_padded(value.as_bytes()))
        || !is_target(request.method(), uri)
        || !names_one_host(uri, headers)
}

/// Whether a value begins or ends with white space: section 8.2.1.
fn is_padded(value: &[u8]) -> bool {
    matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

/// Whether method, scheme and path fit together: section 8.3.1, and 8.5 for CONNECT.
fn is_target(method: &Method, uri: &Uri) -> bool {
    if *method == Method::CONNECT {
        return uri.authority().is_some();
    }
    let scheme = uri.scheme_str().unwrap_or("http");
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let is_path = match path.as_bytes() {
        [b'/', rest @ ..] => memchr::memchr(b'"', rest).is_none(),
        b"*" => *method == Method::OPTIONS,
        _ => false,
    };
    is_path && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// Whether neither another host beside `:authority` nor a user is named: section 8.3.1.
fn names_one_host(uri: &Uri, headers: &HeaderMap) -> bool {
    let authority = uri.authority();
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        return false;
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        return true;
    };
    let Ok(host) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    let same = |authority: &Authority| {
        let port = |of: &Authority| of.port_u16().or_else(|| usual_port(uri.scheme()));
        host.host().eq_ignore_ascii_case(authority.host()) && port(&host) == port(authority)
    };
    hosts.next().is_none() && !host.as_str().contains('@') && authority.is_none_or(same)
}

fn usual_port(scheme: Option<&Scheme>) -> Option<u16> {
    match scheme?.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn host_header_must_match_the_authority() {
        let of = |uri: &str, host: &str| {
            let request = Request::post(uri).header(header::HOST, host);
            is_malformed(&request.body(()).unwrap())
        };
        assert!(!of("http://a/b", "A"));
        assert!(!of("http://a:80/b", "a"));
        assert!(!of("https://a/b", "a:443"));
        assert!(!of("/b", "a"), "without an authority");
        assert!(of("http://a/b", "a:443"));
        assert!(of("http://a/b", "c"));
        assert!(of("/b", "me@a"));
    }

    #[test]
    fn asterisk_target_requires_options() {
        let of = |method| Request::builder().method(method).uri("*").body(()).unwrap();
        assert!(!is_malformed(&of("OPTIONS")));
        assert!(is_malformed(&of("POST")));
    }
}
