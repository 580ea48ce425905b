//! Where is asked, and for which names.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

use micro_core::{
    Error, Result,
    registry::static_list,
    url::{Options, Url},
};

/// What a URL says of a zone.
pub(super) struct Config {
    /// Empty for the system's.
    pub(super) servers: Vec<SocketAddr>,
    /// What comes behind a service's name, without a dot at its ends; it may be empty.
    domain: String,
    /// Whether nothing comes behind the domain: otherwise the system's search list does.
    is_whole: bool,
    pub(super) port: Port,
    /// Of every node.
    pub(super) metadata: BTreeMap<String, String>,
}

/// How the port of a node is known.
pub(super) enum Port {
    /// By SRV records of the service.
    FromSrv,
    /// By the SRV records of its port of this name.
    Named(String),
    /// It is this one.
    Number(u16),
}

impl Config {
    pub(super) fn of(url: &Url) -> Result<Self> {
        let metadata = static_list::metadata(url, &["namespace", "port"])?;
        let own: Vec<&str> = url.keys().collect();
        let options = Options::with_path(url, 53, &own)?;
        if options.user.is_some() {
            return Err(Error::invalid_argument("`dns` takes no user"));
        }
        let path = url.path().trim_matches('/');
        let mut said = url.hosts().map(without_port);
        // A server is an IP address: a name alone is the domain.
        let (servers, domain) = match (said.next(), said.next()) {
            (None, _) => (Vec::new(), path),
            (Some(name), None) if path.is_empty() && name.parse::<IpAddr>().is_err() => {
                (Vec::new(), url.hosts().next().unwrap_or_default())
            }
            _ => (servers(&options.hosts)?, path),
        };
        let domain = domain.trim_matches('.');
        let is_whole = !domain.is_empty();
        let domain = match (&*options.namespace, domain) {
            ("", domain) => domain.to_owned(),
            (namespace, "") => namespace.to_owned(),
            (namespace, domain) => format!("{namespace}.{domain}"),
        };
        if !domain.is_empty() && !is_name(&domain) {
            return Err(Error::invalid_argument(format!(
                "`{domain}` is not the name of a domain"
            )));
        }
        let port = match url.query("port") {
            None => Port::FromSrv,
            Some(text) => match text.parse::<u16>() {
                Ok(number) if number > 0 => Port::Number(number),
                Err(_) if is_name(&text) && text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    Port::Named(text)
                }
                _ => {
                    return Err(Error::invalid_argument(format!(
                        "port `{text}` is neither a number from 1 to 65535 nor the name of a port"
                    )));
                }
            },
        };
        Ok(Config {
            servers,
            domain,
            is_whole,
            port,
            metadata,
        })
    }

    /// The name below our domain.
    pub(super) fn name(&self, first: &str) -> String {
        match (&*self.domain, self.is_whole) {
            ("", _) => first.to_owned(),
            (domain, true) => format!("{first}.{domain}."),
            (domain, false) => format!("{first}.{domain}"),
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.servers.as_slice() {
            [] => f.write_str("the system's servers")?,
            servers => {
                let servers: Vec<_> = servers.iter().map(SocketAddr::to_string).collect();
                f.write_str(&servers.join(","))?;
            }
        }
        match &*self.domain {
            "" => Ok(()),
            domain => write!(f, " for `{domain}`"),
        }
    }
}

/// Whether a text can be a name, or several with dots between.
pub(super) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        !label.is_empty() && label.len() <= 63 && label.chars().all(fits)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn servers(hosts: &[String]) -> Result<Vec<SocketAddr>> {
    let parsed = hosts.iter().map(|host| {
        host.parse().map_err(|_| {
            Error::invalid_argument(format!(
                "server `{host}` is not an IP address; write `dns:DOMAIN` for the system's servers"
            ))
        })
    });
    parsed.collect()
}

fn without_port(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match Config::of(&Url::parse(url)) {
            Ok(config) => format!("{config}; {}", config.name("greeter")),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn servers_and_domain_are_parsed() {
        for (url, expected) in [
            ("dns", "the system's servers; greeter"),
            (
                "dns:micro.test",
                "the system's servers for `micro.test`; greeter.micro.test.",
            ),
            (
                "dns:///micro.test.",
                "the system's servers for `micro.test`; greeter.micro.test.",
            ),
            (
                "dns://10.0.0.10/a.b",
                "10.0.0.10:53 for `a.b`; greeter.a.b.",
            ),
            ("dns://10.0.0.10", "10.0.0.10:53; greeter"),
            (
                "dns://10.0.0.10:5353,[::1]:54,[::1]/b?namespace=prod",
                "10.0.0.10:5353,[::1]:54,[::1]:53 for `prod.b`; greeter.prod.b.",
            ),
            (
                "dns:?namespace=prod",
                "the system's servers for `prod`; greeter.prod",
            ),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    #[test]
    fn invalid_option_is_quoted_in_the_error() {
        for (url, reason) in [
            (
                "dns://kube-dns/a.b",
                "server `kube-dns:53` is not an IP address",
            ),
            ("dns:a..b", "`a..b` is not the name of a domain"),
            ("dns:a?port=0", "port `0` is neither"),
            ("dns:a?port=-x", "port `-x` is neither"),
            ("dns:a?token=x", "`token` after the `?`"),
            ("dns:a?namespace=b&namespace=c", "given twice"),
            ("dns://me@10.0.0.1/a", "takes no user"),
            ("dns://10.0.0.1/a/b", "`a/b` is not the name of a domain"),
        ] {
            assert!(shown(url).contains(reason), "{url}: {}", shown(url));
        }
    }

    #[test]
    fn port_is_a_number_or_a_name_and_other_keys_are_metadata() {
        let config = Config::of(&Url::parse("dns:a?port=80&protocol=grpc&tls=true")).unwrap();
        assert!(matches!(config.port, Port::Number(80)));
        assert_eq!(config.metadata.len(), 2);
        let config = Config::of(&Url::parse("dns:a?port=grpc")).unwrap();
        assert!(matches!(config.port, Port::Named(name) if name == "grpc"));
    }
}
