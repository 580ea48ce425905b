//! Checks that a plugin reads every part of its URL, so that no part is silently ignored.

use super::{Url, decoded};
use crate::error::{Error, Result};

/// The parts that a plugin reads, besides hosts.
///
/// ```
/// use micro_core::url::{Reads, Url};
///
/// let reads = Reads::new().user().keys(&["namespace"]);
/// assert!(Url::parse("board://me:secret@h:1?namespace=prod").check(&reads).is_ok());
/// let error = Url::parse("board://h:1/path").check(&reads).unwrap_err();
/// assert!(error.message().contains("path"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Reads<'a> {
    user: bool,
    path: bool,
    /// `None` for any.
    keys: Option<&'a [&'a str]>,
    schemes: &'a [&'a str],
}

impl<'a> Reads<'a> {
    /// Reads hosts, and any key of the query.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads user and password before the hosts, too.
    pub fn user(mut self) -> Self {
        self.user = true;
        self
    }

    /// Reads the path after the hosts, too.
    pub fn path(mut self) -> Self {
        self.path = true;
        self
    }

    /// Reads only these keys of the query.
    pub fn keys(mut self, keys: &'a [&'a str]) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Reads these schemes of the address, such as `https`.
    pub fn schemes(mut self, schemes: &'a [&'a str]) -> Self {
        self.schemes = schemes;
        self
    }
}

impl Url {
    /// Fails with [`Code::InvalidArgument`](crate::Code::InvalidArgument) for each part of the URL that is not in `reads`, and
    /// suggests what to write instead. Values that may be secrets are not quoted.
    pub fn check(&self, reads: &Reads<'_>) -> Result<()> {
        let (user, _, path, query) = self.parts();
        if path.contains('@') || self.keys().any(|key| key.contains('@')) {
            // Not quoted, since a password may stand before it.
            return wrong(
                "the password in front of the `@` has a `/` or `?`; write `%2F` or `%3F`",
            );
        }
        if let Some(scheme) = self.scheme()
            && !reads.schemes.contains(&scheme)
        {
            return wrong(format!("`{scheme}://` in the address has no meaning here"));
        }
        if path.contains('#') || query.contains('#') || self.hosts().any(|host| host.contains('#'))
        {
            return wrong("a `#` begins a fragment, which nothing reads; write `%23`");
        }
        if !user.is_empty() && !reads.user {
            return wrong(format!(
                "`{}` takes no user in front of the `@`",
                self.name()
            ));
        }
        if !reads.path && !path.trim_matches('/').is_empty() {
            return wrong(self.unread_path(path, reads));
        }
        self.check_keys(user, reads)
    }

    fn unread_path(&self, path: &str, reads: &Reads<'_>) -> String {
        let name = self.name();
        if path.starts_with("//") {
            return format!(
                "the path `{path}` is not read; write the scheme once, in front of the first host"
            );
        }
        let has_namespaces = reads.keys.is_some_and(|keys| keys.contains(&"namespace"));
        match (has_namespaces, path.trim_matches('/')) {
            (true, part) => format!(
                "`{name}` does not read the path `{path}`; a fleet is kept apart by `?namespace={}`",
                part.replace('/', ".")
            ),
            (false, _) => format!("`{name}` does not read the path `{path}`; leave it out"),
        }
    }

    fn check_keys(&self, user: &str, reads: &Reads<'_>) -> Result<()> {
        let has_password = user.contains(':');
        let mut seen = Vec::new();
        for key in self.keys() {
            if key.is_empty() {
                return wrong("a value after the `?` has no key in front of its `=`");
            }
            if let Some(known) = reads.keys
                && !known.contains(&key)
            {
                return wrong(unknown_key(key, known));
            }
            let in_front = key == "user" && !user.is_empty() || key == "password" && has_password;
            if in_front && reads.user || seen.contains(&key) {
                return wrong(format!("`{key}` is given twice; leave one out"));
            }
            seen.push(key);
        }
        let (_, _, _, query) = self.parts();
        let values = query.split('&').chain(user.split(':'));
        match values.map(decoded).all(|text| text.is_ok()) {
            true => Ok(()),
            false => wrong("a percent-encoded part is not UTF-8"),
        }
    }

    /// The scheme of the address.
    pub fn scheme(&self) -> Option<&str> {
        let (before, _) = self
            .address()
            .split_once('?')
            .unwrap_or((self.address(), ""));
        before.split_once("://").map(|(scheme, _)| scheme)
    }
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("unknown key `{key}` after the `?`; there are none");
    }
    let verb = if known.len() == 1 { "is" } else { "are" };
    let names: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
    format!(
        "unknown key `{key}` after the `?`; known {verb}: {}",
        names.join(", ")
    )
}

fn wrong(text: impl Into<String>) -> Result<()> {
    Err(Error::invalid_argument(text.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn refusal(url: &str, reads: &Reads<'_>) -> String {
        let error = Url::parse(url).check(reads).unwrap_err();
        error.message().to_owned()
    }

    #[test]
    fn part_that_is_not_read_is_refused() {
        let reads = Reads::new()
            .keys(&["namespace", "token"])
            .schemes(&["http"]);
        for (url, reason) in [
            ("x://h/prod", "`?namespace=prod`"),
            ("x://h/a/b/", "`?namespace=a.b`"),
            ("x:http://h,http://g", "write the scheme once"),
            ("x:ftp://h", "`ftp://` in the address"),
            ("x://me@h", "takes no user"),
            ("x://h#a", "write `%23`"),
            ("x://h?token=a#b", "write `%23`"),
            ("x://h?tokn=a", "unknown key `tokn`"),
            ("x://h?token=a&token=b", "`token` is given twice"),
            ("x://h?=a", "no key"),
            ("x://h?token=%ff", "is not UTF-8"),
        ] {
            let refusal = refusal(url, &reads);
            assert!(refusal.contains(reason), "{url}: {refusal}");
        }
        for url in [
            "x",
            "x://h",
            "x://h,g:1/?token=a&namespace=b",
            "x:http://h/",
        ] {
            assert!(Url::parse(url).check(&reads).is_ok(), "{url}");
        }
        let without_keys = reads.keys(&[]);
        assert!(refusal("x://h/prod", &without_keys).contains("leave it out"));
    }

    #[test]
    fn user_given_twice_is_refused() {
        let reads = Reads::new().user().keys(&["user", "password"]);
        assert!(refusal("x://a@h?user=b", &reads).contains("`user` is given twice"));
        assert!(refusal("x://a:b@h?password=c", &reads).contains("`password` is given twice"));
        assert!(Url::parse("x://a@h?password=c").check(&reads).is_ok());
    }
}
