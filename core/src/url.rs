//! [`Url`], a plugin's name and address in one text, whose secrets are not printed.

mod environment;
mod options;
mod reads;

use std::{borrow::Cow, fmt};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Result};

pub use environment::{env_var, non_blank};
pub use options::{Options, TlsFiles, validate_namespace};
pub use reads::Reads;

/// A plugin's name, with the address to open it at.
///
/// Written `NAME`, `NAME:ADDRESS` or `NAME://USER:PASSWORD@HOST,HOST/PATH?KEY=VALUE`. When printed, a user,
/// a password and the query are replaced by stars.
///
/// ```
/// use micro::settings::Url;
///
/// let url = Url::parse("etcd://root:secret@10.0.0.1:2379,10.0.0.2:2379/micro?token=abc");
/// assert_eq!(url.name(), "etcd");
/// assert_eq!(url.hosts().collect::<Vec<_>>(), ["10.0.0.1:2379", "10.0.0.2:2379"]);
/// assert_eq!(url.user(), Some(("root".into(), "secret".into())));
/// assert_eq!(url.path(), "/micro");
/// assert_eq!(url.query("token").as_deref(), Some("abc"));
/// assert_eq!(url.to_string(), "etcd://***@10.0.0.1:2379,10.0.0.2:2379/micro?***");
/// assert_eq!(Url::parse("local:/run/fleet").address(), "/run/fleet");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    name: String,
    /// Whether a `//` stood before the address.
    slashes: bool,
    address: String,
}

impl Url {
    /// Parses a text, without the blanks around it. Every text is valid, since it can be a name.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (name, address) = text.split_once(':').unwrap_or((text, ""));
        let rest = address.strip_prefix("//");
        Url {
            name: name.to_owned(),
            slashes: rest.is_some(),
            address: rest.unwrap_or(address).to_owned(),
        }
    }

    /// Replaces the address.
    pub fn at(mut self, address: &str) -> Self {
        self.slashes = false;
        self.address = address.trim().to_owned();
        self
    }

    /// Returns the plugin's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns everything after the name, secrets included; empty if nothing follows.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the hosts of the address, with their ports if given.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let (_, hosts, _, _) = self.parts();
        let hosts = hosts.split(',').map(str::trim);
        hosts.filter(|host| !host.is_empty())
    }

    /// The hosts, including empty ones between commas; none if the address has no host at all.
    pub fn all_hosts(&self) -> impl Iterator<Item = &str> {
        let (_, hosts, _, _) = self.parts();
        let hosts = (!hosts.trim().is_empty()).then_some(hosts);
        hosts
            .into_iter()
            .flat_map(|hosts| hosts.split(','))
            .map(str::trim)
    }

    /// Returns user and password, decoded; a missing password is empty.
    pub fn user(&self) -> Option<(String, String)> {
        let (user, ..) = self.parts();
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        (!user.is_empty()).then(|| (decode(user), decode(password)))
    }

    /// Whether a password stands before the hosts.
    pub fn has_password(&self) -> bool {
        self.parts().0.contains(':')
    }

    /// Returns the path after the hosts, with its first `/`; empty if there is none.
    pub fn path(&self) -> &str {
        self.parts().2
    }

    /// Returns the value of a key of the query, decoded.
    pub fn query(&self, key: &str) -> Option<String> {
        let (_, _, _, query) = self.parts();
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| decode(value))
    }

    /// Returns whether a key of the query is on: `true`, `yes`, `1` or no value; or off: `false`, `no` or `0`. `None` if the
    /// key is missing.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for any other value.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.query(key).as_deref() {
            None => Ok(None),
            Some("" | "true" | "yes" | "1") => Ok(Some(true)),
            Some("false" | "no" | "0") => Ok(Some(false)),
            Some(other) => Err(Error::invalid_argument(format!(
                "`{key}={other}` is neither `true` nor `false`"
            ))),
        }
    }

    /// Checks that nothing follows the name, for a plugin without an address.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) if there is an address.
    pub fn check_is_bare(&self) -> Result<()> {
        match self.address() {
            "" => Ok(()),
            _ => Err(Error::invalid_argument(format!(
                "`{}` takes no address",
                self.name()
            ))),
        }
    }

    /// Returns the keys of the query.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let (_, _, _, query) = self.parts();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key))
    }

    /// Adds a key to the query, unless it is there.
    pub fn with_query(mut self, key: &str, value: &str) -> Self {
        if self.keys().all(|said| said != key) {
            let sign = if self.address.contains('?') { '&' } else { '?' };
            self.address = format!("{}{sign}{key}={}", self.address, encode(value));
            self.slashes |= self.address.starts_with('?');
        }
        self
    }

    /// The query, for a plugin whose address is a text of another form.
    pub fn query_alone(&self) -> Url {
        let start = self.address.find('?').unwrap_or(self.address.len());
        self.clone().at(&self.address[start..])
    }

    /// Whether the address has the scheme `https`.
    pub fn is_https(&self) -> bool {
        self.scheme() == Some("https")
    }

    /// Userinfo, hosts, path and query.
    fn parts(&self) -> (&str, &str, &str, &str) {
        let (before, query) = self.address.split_once('?').unwrap_or((&self.address, ""));
        // An address may have a scheme, such as `http://10.0.0.1:8500`.
        let start = before.find("://").map_or(0, |scheme| scheme + 3);
        let authority = &before[start..];
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at(end);
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        (user, hosts, path, query)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.address.is_empty() {
            return Ok(());
        }
        f.write_str(if self.slashes { "://" } else { ":" })?;
        let (before, query) = match self.address.split_once('?') {
            Some((before, _)) => (before, "?***"),
            None => (&*self.address, ""),
        };
        // A password may contain a `/` or `?` that should have been encoded: everything before the last `@` is hidden.
        match before.rsplit_once('@') {
            Some((_, shown)) => write!(f, "***@{shown}{query}"),
            None if self.address.contains('@') => write!(f, "***{query}"),
            None => write!(f, "{before}{query}"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Encodes a text so that no character of it separates keys and values.
fn encode(text: &str) -> String {
    const SEPARATORS: &AsciiSet = &ESCAPED.remove(b'/').remove(b':').add(b'~');
    utf8_percent_encode(text, SEPARATORS).to_string()
}

/// Decodes percent-encoding. A percent sign without two digits stays, and bytes that are not UTF-8 are replaced.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Decodes percent-encoding, or fails if the bytes are not UTF-8.
fn decoded(text: &str) -> std::result::Result<String, std::str::Utf8Error> {
    percent_decode_str(text).decode_utf8().map(Cow::into_owned)
}

/// Every byte but the unreserved characters of RFC 3986, section 2.3.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_alone_has_no_address() {
        let url = Url::parse("memory");
        assert_eq!((url.name(), url.address()), ("memory", ""));
        assert_eq!(url.to_string(), "memory");
        assert_eq!(url.user(), None);
        assert_eq!(url.hosts().count(), 0);
    }

    #[test]
    fn secrets_are_decoded_for_the_plugin_and_never_printed() {
        let url = Url::parse("consul://ops:p%40ss%2Fword@host:8500?token=abc%20d");
        assert_eq!(url.user(), Some(("ops".into(), "p@ss/word".into())));
        assert_eq!(url.query("token").as_deref(), Some("abc d"));
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(shown.contains("host:8500"), "{shown}");
            for secret in ["ops", "p%40ss", "abc"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        let careless = Url::parse("consul://ops:pass/word@host:8500").to_string();
        assert_eq!(careless, "consul://***@host:8500");
        let careless = Url::parse("consul://ops:pass?word@host:8500").to_string();
        assert_eq!(careless, "consul://***?***");
    }

    #[test]
    fn added_value_reads_back_and_an_existing_one_stays() {
        let url = Url::parse("etcd").with_query("token", "a&b=c %");
        assert_eq!(url.query("token").as_deref(), Some("a&b=c %"));
        assert_eq!(url.hosts().count(), 0);
        let url = Url::parse("etcd://h:1?token=x")
            .with_query("token", "y")
            .with_query("tls", "true");
        assert_eq!(url.query("token").as_deref(), Some("x"));
        assert_eq!(url.keys().collect::<Vec<_>>(), ["token", "tls"]);
        assert_eq!(url.to_string(), "etcd://h:1?***");
    }

    #[test]
    fn address_may_have_a_scheme() {
        let url = Url::parse("consul").at("http://10.0.0.1:8500");
        assert_eq!(url.hosts().collect::<Vec<_>>(), ["10.0.0.1:8500"]);
    }
}
