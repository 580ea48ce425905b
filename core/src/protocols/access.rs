//! Access control before any handler: requests of web pages by their `Origin`, and requests over loopback by the host
//! they name.
//!
//! A browser sends requests of any page to any address that its machine reaches, loopback included. It sends the page's
//! origin in `Origin`, unless it takes page and server for the same site: then the name by which the page reached this
//! address (DNS rebinding) is in `Host`.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};

use super::{failure::failed, origins::Origins};
use crate::{
    call::{Call, Refusal},
    error::{Error, details::reason},
    http::HttpBody,
    net::io::Io,
};

/// By which a browser tells where a request comes from if it sends no `Origin`.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The checks of each request of a connection, before any dialect or handler sees it.
#[derive(Clone)]
pub(crate) struct Access {
    /// The origins whose pages may call.
    origins: Option<Arc<Origins>>,
    call: Arc<dyn Call>,
    /// Whether the connection came to a loopback address.
    on_loopback: bool,
    is_secure: bool,
}

impl Access {
    /// Creates the checks for a connection to `call`.
    pub(crate) fn new(origins: Option<Arc<Origins>>, io: &Io, call: Arc<dyn Call>) -> Self {
        Access {
            origins,
            call,
            on_loopback: io.is_loopback(),
            is_secure: io.is_secure(),
        }
    }

    /// Returns the error for a request with this head, if it is refused, and counts it.
    pub(crate) fn refuse(&self, uri: &Uri, headers: &HeaderMap) -> Option<Error> {
        let (refusal, reason, error) = match self.check(uri, headers) {
            Ok(()) => return None,
            Err(ForeignSource::Host(text)) => (Refusal::Host, reason::HOST_NOT_ALLOWED, text),
            Err(ForeignSource::Origin(text)) => (Refusal::Origin, reason::ORIGIN_NOT_ALLOWED, text),
        };
        tracing::debug!(reason, %error, "a request was refused");
        self.count(refusal);
        // Not *rejected*, since other nodes would answer the same.
        Some(Error::permission_denied(error).with_reason(reason))
    }

    /// Whether a request with this head is allowed; counts nothing.
    pub(crate) fn is_allowed(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.check(uri, headers).is_ok()
    }

    /// Returns why a request with this head is refused, if it is, and counts it.
    pub(crate) fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Option<Response<HttpBody>> {
        let error = self.refuse(uri, headers)?;
        Some(failed(&error, StatusCode::FORBIDDEN))
    }

    /// Counts a refused request.
    pub(crate) fn count(&self, refusal: Refusal) {
        if let Some(operations) = self.call.operations() {
            operations.refused(refusal);
        }
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ForeignSource> {
        if self.on_loopback {
            let target = uri.authority().map(|authority| authority.as_str());
            let host = headers.get(header::HOST);
            let host = host.map(|host| host.to_str().unwrap_or("?"));
            for named in target.into_iter().chain(host) {
                let (name, _) = split(named);
                // Every browser sends it: without it, the request is not from a page.
                if !name.is_empty() && !is_loopback(name) && !self.has_host(name) {
                    return Err(ForeignSource::Host(format!(
                        "`{}` is no host of this server, which was reached by loopback; allow it by \
                         `--server-allowed-hosts`",
                        name.escape_debug()
                    )));
                }
            }
        }
        let mut is_of_page = false;
        for origin in headers.get_all(header::ORIGIN) {
            is_of_page = true;
            if !self.allows(origin, uri, headers) {
                let origin = String::from_utf8_lossy(origin.as_bytes());
                return Err(ForeignSource::Origin(format!(
                    "pages of the origin `{}` may not call this server; let them by \
                     `--server-cors-origins`",
                    origin.escape_debug()
                )));
            }
        }
        let site = headers.get(FETCH_SITE);
        if !is_of_page && site.is_some_and(|site| site == "cross-site") {
            let text = "pages of other sites may not call this server without an allowed `origin`";
            return Err(ForeignSource::Origin(text.to_owned()));
        }
        Ok(())
    }

    /// Whether pages of an origin may call: it is allowed, or the server's own.
    fn allows(&self, origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
        let origins = self.origins.as_ref();
        if origins.is_some_and(|origins| origins.allow(origin).is_some()) {
            return true;
        }
        let target = uri.authority().map(|authority| authority.as_str());
        let host = headers.get(header::HOST);
        let host = target.or_else(|| host.and_then(|host| host.to_str().ok()));
        let (Ok(origin), Some(host)) = (origin.to_str(), host) else {
            return false;
        };
        let (page, default) = match (origin.strip_prefix("https://"), self.is_secure) {
            (Some(page), _) => (page, "443"),
            // A page that others can change on its way must not call a server behind TLS.
            (None, true) => return false,
            (None, false) => match origin.strip_prefix("http://") {
                Some(page) => (page, "80"),
                None => return false,
            },
        };
        let ((page, page_port), (name, port)) = (split(page), split(host));
        page.eq_ignore_ascii_case(name)
            && page_port.unwrap_or(default) == port.unwrap_or(default)
            && self.is_known(name)
    }

    /// Whether a name leads to this server whoever resolves it. By DNS, any name may.
    fn is_known(&self, name: &str) -> bool {
        is_loopback(name) || address(name).is_some() || self.has_host(name)
    }

    fn has_host(&self, name: &str) -> bool {
        let operations = self.call.operations();
        let hosts = operations.map_or(&[][..], |operations| operations.hosts());
        hosts
            .iter()
            .any(|host| host == "*" || host.eq_ignore_ascii_case(name))
    }
}

enum ForeignSource {
    Host(String),
    Origin(String),
}

/// Splits a host into name and port, without the brackets of an address or the dot at the end of a name.
fn split(host: &str) -> (&str, Option<&str>) {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (name, port.filter(|port| !port.is_empty()))
}

fn address(name: &str) -> Option<IpAddr> {
    name.parse().ok()
}

/// Whether a name is a name of loopback wherever it is resolved: RFC 6761, section 6.3.
fn is_loopback(name: &str) -> bool {
    if let Some(address) = address(name) {
        return address.to_canonical().is_loopback();
    }
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::{
        call::{Answer, Operation, Operations},
        message::Request,
    };

    #[test]
    fn hosts_are_split_into_name_and_port() {
        for (host, expected) in [
            ("a", ("a", None)),
            ("a:80", ("a", Some("80"))),
            ("a.:80", ("a", Some("80"))),
            ("a:", ("a", None)),
            ("[::1]", ("::1", None)),
            ("[::1]:80", ("::1", Some("80"))),
            ("", ("", None)),
        ] {
            assert_eq!(split(host), expected, "{host}");
        }
    }

    #[test]
    fn loopback_names_cannot_be_made_to_lead_elsewhere() {
        for own in [
            "localhost",
            "LocalHost",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "128.0.0.1",
            "0.0.0.0",
            "::",
            "2130706433",
            "127.1",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    /// Has one host name.
    struct Server([String; 1]);

    impl Call for Server {
        fn call(&self, _: Request) -> Answer {
            Box::pin(async { Err(Error::unimplemented("nothing is called")) })
        }

        fn operations(&self) -> Option<&dyn Operations> {
            Some(self)
        }
    }

    impl Operations for Server {
        fn serve(&self, _: Operation, _: Option<Arc<dyn Call>>) -> Option<Arc<dyn Call>> {
            None
        }

        fn hosts(&self) -> &[String] {
            &self.0
        }

        fn refused(&self, _: Refusal) {}
    }

    /// Whether a page may call, by its origin and the host that it calls.
    fn may_call(on_loopback: bool, is_secure: bool, origin: &str, host: &str) -> bool {
        let access = Access {
            origins: None,
            call: Arc::new(Server(["own.example".to_owned()])),
            on_loopback,
            is_secure,
        };
        let request = http::Request::builder()
            .uri("/")
            .header(header::ORIGIN, origin)
            .header(header::HOST, host);
        let (head, ()) = request.body(()).unwrap().into_parts();
        access.is_allowed(&head.uri, &head.headers)
    }

    #[test]
    fn secure_connection_refuses_a_plaintext_page() {
        for on_loopback in [true, false] {
            let secure = |origin, host| may_call(on_loopback, true, origin, host);
            assert!(secure("https://own.example", "own.example"));
            assert!(secure("https://own.example", "own.example:443"));
            assert!(!secure("http://own.example", "own.example:80"));
            assert!(!secure("http://own.example:443", "own.example"));
        }
    }

    #[test]
    fn own_origin_off_loopback_needs_a_configured_host() {
        let plain = |origin, host| may_call(false, false, origin, host);
        assert!(plain("http://10.0.0.5:8080", "10.0.0.5:8080"));
        assert!(plain("http://own.example", "OWN.example"));
        assert!(plain("http://localhost:8080", "localhost:8080"));
        // Its name may have been made to lead here.
        assert!(!plain("http://evil.example:8080", "evil.example:8080"));
    }
}
