//! Addresses in text form, `HOST:PORT` and `unix:PATH`: those to listen on and those to register.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::error::{Error, Result};

/// Host and port of an address; either may be missing.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// Without brackets.
    host: Option<&'a str>,
    port: Option<u16>,
}

/// Parses `HOST:PORT`, `HOST`, `:PORT` or an IPv6 address with or without brackets. The error text says what to write.
fn parts(text: &str) -> Result<Parts<'_>, String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!(
            "`{text}` has a scheme (`{scheme}://`); write `HOST:PORT`, as in `{}`",
            rest.trim_end_matches('/')
        ));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@,\\".contains(c)) {
        return Err(format!("`{text}` is not of the form `HOST:PORT`"));
    }
    let (host, port) = if let Some(inside) = text.strip_prefix('[') {
        let (host, after) = inside
            .split_once(']')
            .ok_or_else(|| format!("`{text}` has a `[` without a `]`"))?;
        let (ip, _zone) = host.split_once('%').unwrap_or((host, ""));
        if ip.parse::<Ipv6Addr>().is_err() {
            return Err(format!("`{host}` in brackets is no IPv6 address"));
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(format!("`{text}` is not of the form `[HOST]:PORT`")),
        }
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(format!(
                    "`{text}` has more than one `:`; an IPv6 address stands in brackets"
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        None => None,
        Some(digits) => Some(
            digits
                .parse::<u16>()
                .ok()
                .filter(|_| !digits.starts_with('+'))
                .ok_or_else(|| format!("`{digits}` of `{text}` is not a port from 0 to 65535"))?,
        ),
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && host.parse::<IpAddr>().is_err() {
        return Err(format!("`{host}` is no IP address"));
    }
    Ok(Parts {
        host: Some(host).filter(|host| !host.is_empty()),
        port,
    })
}

/// Where a listener listens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bind<'a> {
    /// At this address.
    At(&'a str),
    /// At every address of this machine, with this port: `:9000`.
    Every(u16),
}

/// Parses an address to listen on. The error text says what to write.
pub(crate) fn bind(text: &str) -> Result<Bind<'_>, String> {
    match parts(text)? {
        Parts {
            host: None,
            port: Some(port),
        } => Ok(Bind::Every(port)),
        Parts { port: Some(_), .. } => Ok(Bind::At(text)),
        Parts { host: None, .. } => {
            Err("an address to listen at is empty; write `HOST:PORT`".to_owned())
        }
        Parts { port: None, .. } => Err(format!(
            "`{text}` has no port; write `{}`, where 0 is any free one",
            joined(text, 0)
        )),
    }
}

/// Whether a text can be a host name, or an IPv6 address with a zone.
fn is_name(host: &str) -> bool {
    !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || "-._:%".contains(c))
}

/// The address to register: `text`, completed from the listener's address (`bound`), or the listener's own. An unspecified
/// host such as `0.0.0.0` becomes an address of this machine if `others` need to reach it, else loopback.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a text that cannot be completed to an address.
pub fn advertised(text: Option<&str>, bound: &str, others: bool) -> Result<String> {
    let Ok(listening) = bound.parse::<SocketAddr>() else {
        return beside(text, bound);
    };
    let wrong = |why: String| Error::invalid_argument(format!("the address to register: {why}"));
    let text = text.map(str::trim);
    if let Some(path) = text.and_then(|text| text.strip_prefix("unix:")) {
        return unix(path);
    }
    let text = match text {
        None => "",
        Some("") => return Err(wrong("it is empty; write `HOST:PORT`".to_owned())),
        Some(text) => text,
    };
    let Parts { host, port } = parts(text).map_err(wrong)?;
    let port = port.filter(|port| *port != 0).unwrap_or(listening.port());
    let own = listening.ip().to_string();
    let host = host.unwrap_or(&own);
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => {
            Err(wrong(format!("`{host}` is not the address of one machine")))
        }
        Err(_) if !is_name(host) => Err(wrong(format!(
            "`{host}` is neither a host's name nor an IP address"
        ))),
        Ok(ip) if ip.is_unspecified() && others => match own_ip(ip) {
            Some(own) => Ok(SocketAddr::from((own, port)).to_string()),
            // The registry refuses it, with advice.
            None => Ok(joined(host, port)),
        },
        // Callers on this machine reach it by loopback, whose names the host guard of HTTP accepts.
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => {
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string())
        }
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => {
            Ok(SocketAddr::from((Ipv6Addr::LOCALHOST, port)).to_string())
        }
        _ => Ok(joined(host, port)),
    }
}

/// The address of a listener that is not `HOST:PORT`: a Unix socket, or that of another transport.
fn beside(text: Option<&str>, bound: &str) -> Result<String> {
    let Some(text) = text.map(str::trim) else {
        return Ok(bound.to_owned());
    };
    let wrong = |why: String| Error::invalid_argument(format!("the address to register: {why}"));
    if text.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    if bound.starts_with("unix:") {
        return match parts(text).map_err(wrong)? {
            Parts {
                host: Some(host),
                port: Some(port @ 1..),
            } => Ok(joined(host, port)),
            _ => Err(wrong(format!(
                "`{text}` is not of the form `HOST:PORT`, and a Unix socket has no port to take"
            ))),
        };
    }
    Ok(text.to_owned())
}

/// Makes a path absolute, so that it is valid in other processes.
fn unix(path: &str) -> Result<String> {
    match std::path::absolute(path) {
        Ok(path) => Ok(format!("unix:{}", path.display())),
        Err(_) => Err(Error::invalid_argument(
            "the address to register: `unix:` names no path",
        )),
    }
}

fn joined(host: &str, port: u16) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The address by which this machine reaches others, of the same family as `any` if there is one. Sends nothing.
fn own_ip(any: IpAddr) -> Option<IpAddr> {
    let v4 = || {
        source(
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
        )
    };
    let v6 = || {
        let there = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        source(Ipv6Addr::UNSPECIFIED.into(), there.into())
    };
    // A listener on all of IPv6 accepts IPv4 as well, which more callers have.
    v4().or_else(|| any.is_ipv6().then(v6).flatten())
}

/// The source address of packets to `there`.
fn source(any: IpAddr, there: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// Whether an address is reachable from this machine only: loopback, or a Unix socket.
pub(crate) fn is_of_this_machine(address: &str) -> bool {
    address.starts_with("unix:")
        || parts(address).is_ok_and(|parts| parts.host.is_some_and(is_loopback))
}

/// Whether a host names this machine, whoever resolves it.
fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Whether all hosts of a server's address, such as `10.0.0.1:2379,10.0.0.2:2379/path, namespace \`n\``, are this machine.
pub(crate) fn are_of_this_machine(place: &str) -> bool {
    let hosts = place.split(", ").next().unwrap_or_default();
    let hosts = hosts.split('/').next().unwrap_or_default();
    hosts.split(',').all(is_of_this_machine)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    #[test]
    fn advertised_address_takes_its_port_from_the_listener() {
        for (text, expected) in [
            ("10.0.0.5", "10.0.0.5:4000"),
            ("10.0.0.5:80", "10.0.0.5:80"),
            ("10.0.0.5:0", "10.0.0.5:4000"),
            (" 10.0.0.5 ", "10.0.0.5:4000"),
            ("node.example", "node.example:4000"),
            ("node.example:80", "node.example:80"),
            ("fe80::1", "[fe80::1]:4000"),
            ("[fe80::1]", "[fe80::1]:4000"),
            ("[fe80::1]:80", "[fe80::1]:80"),
            (":80", "127.0.0.1:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ] {
            let address = advertised(Some(text), "127.0.0.1:4000", true);
            assert_eq!(address.unwrap(), expected, "{text}");
        }
        assert_eq!(
            advertised(None, "127.0.0.1:4000", true).unwrap(),
            "127.0.0.1:4000"
        );
        assert_eq!(advertised(None, "[::1]:4000", true).unwrap(), "[::1]:4000");
    }

    #[test]
    fn unreachable_advertised_address_is_refused() {
        for (text, reason) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("http://10.0.0.5:80/", "as in `10.0.0.5:80`"),
            ("10.0.0.5:80/x", "not of the form"),
            ("10.0.0.5:http", "is not a port"),
            ("10.0.0.5:70000", "is not a port"),
            ("10.0.0.5:", "is not a port"),
            ("fe80::1::2", "in brackets"),
            ("[fe80::1:80", "without a `]`"),
            ("[host]:80", "no IPv6 address"),
            ("10.0.0.5,10.0.0.6", "not of the form"),
            ("300.0.0.1", "no IP address"),
            ("unix:", "names no path"),
        ] {
            let error = advertised(Some(text), "127.0.0.1:4000", true).unwrap_err();
            assert!(error.message().contains(reason), "{text}: {error}");
        }
        let error = advertised(Some("10.0.0.5"), "unix:/run/a", true).unwrap_err();
        assert!(error.message().contains("no port to take"), "{error}");
    }

    #[test]
    fn addresses_of_other_transports_pass_unchanged() {
        assert_eq!(
            advertised(Some("memory:b"), "memory:a", true).unwrap(),
            "memory:b"
        );
        assert_eq!(advertised(None, "subject", true).unwrap(), "subject");
    }

    #[test]
    fn unspecified_host_becomes_an_address_of_this_machine() {
        for (text, bound) in [
            (None, "0.0.0.0:80"),
            (None, "[::]:80"),
            (Some(":80"), "[::]:9"),
        ] {
            let shown = advertised(text, bound, true).unwrap();
            let address: SocketAddr = shown.parse().unwrap();
            assert_eq!(address.port(), 80, "{shown}");
            assert!(!address.ip().is_loopback(), "{shown}");
            let expected = own_ip(Ipv6Addr::UNSPECIFIED.into());
            assert!(
                expected.is_none() || expected == Some(address.ip()),
                "{shown}"
            );
        }
        assert_eq!(
            advertised(None, "0.0.0.0:80", false).unwrap(),
            "127.0.0.1:80"
        );
        assert_eq!(advertised(None, "[::]:80", false).unwrap(), "[::1]:80");
        for wrong in ["*", "224.0.0.1", "255.255.255.255:1", "a b"] {
            assert!(
                advertised(Some(wrong), "10.0.0.1:80", true).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn address_to_listen_on_needs_a_port() {
        assert_eq!(bind(":9000"), Ok(Bind::Every(9000)));
        assert_eq!(bind("[::1]:0"), Ok(Bind::At("[::1]:0")));
        assert_eq!(bind("localhost:0"), Ok(Bind::At("localhost:0")));
        for (text, reason) in [
            ("", "is empty"),
            ("127.0.0.1", "write `127.0.0.1:0`"),
            ("::1", "write `[::1]:0`"),
            ("http://127.0.0.1:80", "has a scheme"),
        ] {
            let error = bind(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for here in [
            "127.0.0.1:80",
            "127.8.0.1:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "localhost:80",
            "LOCALHOST:80",
            "unix:/run/a",
        ] {
            assert!(is_of_this_machine(here), "{here}");
        }
        for there in ["10.0.0.1:80", "[fe80::1]:80", "local:80", "0.0.0.0:80", ""] {
            assert!(!is_of_this_machine(there), "{there}");
        }
        assert!(are_of_this_machine(
            "127.0.0.1:1,localhost:2/a, namespace `b`"
        ));
        assert!(!are_of_this_machine("127.0.0.1:1,10.0.0.1:2"));
        assert!(!are_of_this_machine("the system's servers for `a`"));
    }
}
