//! [`Options`], the parts of a registry's URL: servers, credentials, namespace.

use std::path::PathBuf;

use crate::{
    address::is_of_this_machine,
    error::{Error, Result},
    url::{Reads, Url},
};

/// Keys of the query that every registry accepts.
const COMMON: [&str; 9] = [
    "namespace",
    "token",
    "user",
    "password",
    "tls",
    "tls-ca",
    "tls-cert",
    "tls-key",
    "tls-insecure",
];

/// The parts of a server's URL: `etcd://USER:PASSWORD@HOST:PORT,HOST:PORT?namespace=N&tls=true&tls-ca=FILE`.
///
/// Settings such as `--registry-namespace` are added to the URL before it is parsed. Has no `Debug` form, since it holds
/// secrets.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// `host:port` of each server, at least one; with the default port if a host has none.
    pub hosts: Vec<String>,
    /// User and password.
    pub user: Option<(String, String)>,
    /// A token, if the server takes one.
    pub token: Option<String>,
    /// Set if TLS is used.
    pub tls: Option<TlsFiles>,
    /// Separates this fleet from others on the same server; may be empty.
    pub namespace: String,
    /// The URL, for keys of a single registry.
    pub url: Url,
}

/// Certificate files, all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// Authorities trusted for the server, in place of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate shown to a server that asks for one …
    pub certificate: Option<PathBuf>,
    /// … and its key.
    pub key: Option<PathBuf>,
    /// Whether the server's certificate is not verified.
    pub insecure: bool,
}

impl Options {
    /// Parses `url`. A host without a port gets `port`; the default host is `127.0.0.1`. `own` are keys of the query that
    /// only this registry accepts.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a part that is not read (a path, a key that is unknown
    /// or given twice, a fragment), an invalid port, a password with an unencoded `/` or `?` or without a
    /// user, a certificate without a key, and a namespace of other characters than letters, digits, `-`, `_` and `.`.
    pub fn of(url: &Url, port: u16, own: &[&str]) -> Result<Self> {
        let keys = [&COMMON, own].concat();
        url.check(&reads(url, &[url.name()]).keys(&keys))?;
        Options::read(url, port)
    }

    /// Parses the URL of a registry that has a path in it.
    pub fn with_path(url: &Url, port: u16, own: &[&str]) -> Result<Self> {
        let keys = [&COMMON, own].concat();
        url.check(&reads(url, &[url.name()]).path().keys(&keys))?;
        Options::read(url, port)
    }

    fn read(url: &Url, port: u16) -> Result<Self> {
        let mut hosts = Vec::new();
        for host in url.all_hosts() {
            hosts.push(with_port(host, port)?);
        }
        if hosts.is_empty() {
            hosts.push(format!("127.0.0.1:{port}"));
        }
        let password = url.query("password");
        let user = match (url.user(), url.query("user")) {
            (Some((user, said)), _) => {
                let beside = password.filter(|_| !url.has_password());
                Some((user, beside.unwrap_or(said)))
            }
            (None, Some(user)) => Some((user, password.unwrap_or_default())),
            (None, None) if password.is_some() => {
                return Err(Error::invalid_argument(
                    "`password` is given without a `user`",
                ));
            }
            (None, None) => None,
        };
        let file = |key| {
            url.query(key)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        let files = TlsFiles {
            ca: file("tls-ca"),
            certificate: file("tls-cert"),
            key: file("tls-key"),
            insecure: url.flag("tls-insecure")?.unwrap_or(false),
        };
        if files.certificate.is_some() != files.key.is_some() {
            return Err(Error::invalid_argument(
                "`tls-cert` and `tls-key` are given together or not at all",
            ));
        }
        let by_scheme = matches!(url.scheme(), Some("https" | "tls"));
        let secure = url
            .flag("tls")?
            .unwrap_or(files != TlsFiles::default() || by_scheme);
        let namespace = url.query("namespace").unwrap_or_default();
        validate_namespace(&namespace)?;
        Ok(Options {
            hosts,
            user,
            token: url.query("token").filter(|token| !token.is_empty()),
            tls: secure.then_some(files),
            namespace,
            url: url.clone(),
        })
    }

    /// Warns if credentials (`identified`) go to a server on another machine without TLS.
    pub fn warn_of_plaintext(&self, identified: bool) {
        if identified
            && self.tls.is_none()
            && !self.hosts.iter().all(|host| is_of_this_machine(host))
        {
            let (registry, hosts) = (self.url.name(), self.hosts.join(","));
            tracing::warn!(
                registry,
                hosts,
                "the password or token of the registry is sent without TLS, for all on the way to read; set `--registry-tls`"
            );
        }
    }

    /// Hosts, path and namespace, for errors.
    pub fn place(&self) -> String {
        let mut place = self.hosts.join(",") + self.url.path();
        if !self.namespace.is_empty() {
            place = format!("{place}, namespace `{}`", self.namespace);
        }
        place
    }
}

/// Checks that a namespace consists of letters, digits, `-`, `_` and, not at the beginning, `.`, which every registry allows.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) that names the namespace.
pub fn validate_namespace(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match name.chars().all(plain) && !name.starts_with('.') {
        true => Ok(()),
        false => Err(Error::invalid_argument(format!(
            "namespace `{name}`: only letters, digits, `-`, `_` and, not in front, `.`"
        ))),
    }
}

/// Schemes that every server's URL may have; `tcp` and the registry's `own` name mean the default.
fn reads<'a>(url: &Url, own: &'a [&'a str]) -> Reads<'a> {
    const COMMON: [&str; 4] = ["http", "https", "tls", "tcp"];
    let is_common = url.scheme().is_some_and(|scheme| COMMON.contains(&scheme));
    let schemes = if is_common { &COMMON } else { own };
    Reads::new().user().schemes(schemes)
}

fn with_port(host: &str, port: u16) -> Result<String> {
    if host.is_empty() || host.starts_with(':') || host.contains(char::is_whitespace) {
        return Err(Error::invalid_argument(format!(
            "`{host}` is no host; write `HOST` or `HOST:PORT`"
        )));
    }
    // More than one colon without brackets is an IPv6 address without a port.
    if host.matches(':').count() > 1 && !host.starts_with('[') {
        return Ok(format!("[{host}]:{port}"));
    }
    match host.rsplit_once(':') {
        Some((_, said)) if !said.ends_with(']') => match said.parse::<u16>() {
            Ok(number) if number > 0 => Ok(host.to_owned()),
            _ => Err(Error::invalid_argument(format!(
                "`{said}` of host `{host}` is not a port"
            ))),
        },
        _ => Ok(format!("{host}:{port}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<Options> {
        Options::of(&Url::parse(url), 2379, &["prefix"])
    }

    #[test]
    fn host_without_a_port_gets_the_default_port() {
        let hosts = options("etcd://10.0.0.1,db:99,[::1],fe80::1,[::1]:7")
            .unwrap()
            .hosts;
        assert_eq!(
            hosts,
            [
                "10.0.0.1:2379",
                "db:99",
                "[::1]:2379",
                "[fe80::1]:2379",
                "[::1]:7"
            ]
        );
        assert_eq!(options("etcd").unwrap().hosts, ["127.0.0.1:2379"]);
    }

    #[test]
    fn tls_is_used_if_it_or_a_file_of_it_is_given() {
        assert_eq!(options("etcd://h").unwrap().tls, None);
        assert_eq!(
            options("etcd://h?tls=yes").unwrap().tls,
            Some(TlsFiles::default())
        );
        let files = options("etcd://h?tls-ca=/a%20b.pem").unwrap().tls.unwrap();
        assert_eq!(files.ca.unwrap(), PathBuf::from("/a b.pem"));
        assert!(options("etcd:https://h:1").unwrap().tls.is_some());
        assert_eq!(options("etcd:http://h:1").unwrap().tls, None);
        assert_eq!(options("etcd:etcd://h:1").unwrap().tls, None);
        assert!(options("etcd:tls://h:1").unwrap().tls.is_some());
    }

    #[test]
    fn wrong_url_is_explained() {
        for (url, reason) in [
            ("etcd://h?tokn=x", "unknown key `tokn`"),
            ("etcd://h:x", "`x` of host `h:x` is not a port"),
            ("etcd://h?tls-cert=a", "given together"),
            ("etcd://h?namespace=a/b", "namespace `a/b`"),
            ("etcd://h?tls=maybe", "`tls=maybe` is neither"),
            ("etcd://h/prod", "`?namespace=prod`"),
            ("etcd://,", "is no host"),
            ("etcd://a,,b", "is no host"),
            ("etcd://:2379", "is no host"),
            ("etcd://a b", "is no host"),
            ("etcd:ftp://a", "`ftp://`"),
            ("etcd:nats://a", "`nats://`"),
            ("etcd://h?password=x", "without a `user`"),
            ("etcd://h?prefix=a&prefix=b", "given twice"),
        ] {
            let error = options(url).err().unwrap().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn unencoded_password_is_refused_and_not_quoted() {
        for url in [
            "etcd://root:7/secret@h",
            "etcd://root:secret/x@h:1",
            "consul:https://root:sec/ret@h",
            "etcd://root:1?secret@h",
        ] {
            let error = options(url).err().unwrap().to_string();
            assert!(error.contains("write `%2F`"), "{error}");
            assert!(!error.contains("sec") && !error.contains("root"), "{error}");
        }
        let user = options("etcd://root:a,b@c@h").unwrap().user;
        assert_eq!(user, Some(("root".to_owned(), "a,b@c".to_owned())));
    }

    #[test]
    fn user_may_stand_before_the_hosts_or_in_the_query() {
        let expected = Some(("root".to_owned(), "s/e".to_owned()));
        let both = options("etcd://root@h?password=s%2Fe").unwrap();
        assert_eq!(both.user, expected, "half of it in front");
        assert_eq!(options("etcd://root:s%2Fe@h").unwrap().user, expected);
        assert_eq!(
            options("etcd://h?user=root&password=s%2Fe").unwrap().user,
            expected
        );
    }
}
