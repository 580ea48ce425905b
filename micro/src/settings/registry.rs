//! The registries that settings name, with the settings that belong to their addresses.

use std::sync::Arc;

use super::{Settings, Url, flags::Level, list, value};
use micro_core::{
    error::{Error, Result},
    registry::{Registry, Several},
};

/// Settings that become keys of the registry's URL, without this prefix.
const PREFIX: &str = "registry-";
/// Settings that each server has its own value of.
const OWN: [&str; 3] = ["user", "password", "token"];

impl Settings {
    /// Opens each registry that is set, and returns it with its URL; the default if none is.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for a plugin that is not built in, or a value that cannot be parsed.
    pub fn registries(&self) -> Result<Vec<(Url, Arc<dyn Registry>)>> {
        let setting = self.registry_urls(false)?;
        let (urls, level) =
            setting.unwrap_or_else(|| (vec![Url::parse("local")], Level::Environment));
        let mut opened = Vec::new();
        for url in self.with_options(urls, level)? {
            if let Some(registry) = self.registries.open(&url)? {
                opened.push((url, registry));
            }
        }
        Ok(opened)
    }

    /// The registry that is set, if any; `coded` is whether code has one.
    pub(super) fn registry(&self, coded: bool) -> Result<Option<Arc<dyn Registry>>> {
        let Some((urls, level)) = self.registry_urls(coded)? else {
            return Ok(None);
        };
        let mut opened = Vec::new();
        for url in self.with_options(urls, level)? {
            opened.extend(self.registries.open(&url)?);
        }
        Ok(match opened.len() {
            0 | 1 => opened.pop(),
            _ => Some(Arc::new(Several::new(opened))),
        })
    }

    /// The URL of each registry, and where they were set.
    fn registry_urls(&self, coded: bool) -> Result<Option<(Vec<Url>, Level)>> {
        let names = self.registry_names();
        let Some(setting) = self.values.get("registry") else {
            self.plugin("registry")?;
            let Some((name, option)) = self.options().next() else {
                return Ok(None);
            };
            // The default registry has a namespace, too.
            if name == "registry-namespace" && !coded && self.options().count() == 1 {
                return Ok(Some((vec![Url::parse("local")], option.level)));
            }
            return Err(Error::invalid_argument(format!(
                "`{}` is given without a registry; add `--registry=NAME`",
                option.level.spell(name)
            )));
        };
        let listed = split(&setting.text, &names);
        if listed.len() == 1 {
            let url = self.plugin("registry")?;
            return Ok(url.map(|url| (vec![url], setting.level)));
        }
        if let Some(address) = self.values.get("registry-address")
            && !(address.level < setting.level && setting.replaced.is_some())
        {
            return Err(Error::invalid_argument(format!(
                "`{}` is one address, and several registries are named; put each behind its name, as in \
                 `etcd://HOST,consul://HOST`",
                address.level.spell("registry-address")
            )));
        }
        let urls = listed.into_iter().map(Url::parse).collect();
        Ok(Some((urls, setting.level)))
    }

    /// The names that begin an entry of a list.
    fn registry_names(&self) -> Vec<&str> {
        let own = self.registries.names().into_iter();
        let known = super::known::registries().map(|name| -> &str { name });
        own.chain(known).collect()
    }

    /// The settings that become keys of the URL.
    fn options(&self) -> impl Iterator<Item = (&'static str, &super::Setting)> {
        let setting = self.values.iter().map(|(name, setting)| (*name, setting));
        setting.filter(|(name, _)| name.starts_with(PREFIX) && *name != "registry-address")
    }

    /// The URLs with these keys added; a key that a URL has already wins.
    fn with_options(&self, mut urls: Vec<Url>, level: Level) -> Result<Vec<Url>> {
        for (name, setting) in self.options() {
            let key = name.strip_prefix(PREFIX).unwrap_or(name);
            let spelled = setting.level.spell(name);
            let wrong = |why: String| Error::invalid_argument(format!("`{spelled}`: {why}"));
            let refused: Vec<_> = urls
                .iter()
                .filter_map(|url| refusal(url.name(), key))
                .collect();
            let takers = urls.len() - refused.len();
            if let Some(why) = refused.first()
                && (takers == 0 || key == "namespace")
            {
                // A key from the environment may be meant for another run, with a registry that accepts the key.
                if setting.level < level {
                    continue;
                }
                return Err(wrong(why.clone()));
            }
            if takers > 1 && OWN.contains(&key) {
                return Err(wrong(format!(
                    "{takers} of the registries take one of their own; put it behind each name, as in \
                     `NAME://HOST?{key}=…`"
                )));
            }
            let text = match list::is_switch(name) {
                true => {
                    let means = "is neither `true` nor `false`";
                    let yes = self.read_as(name, means, value::switch)?;
                    yes.unwrap_or_default().to_string()
                }
                false => setting.text.clone(),
            };
            let take = |url: Url| match refusal(url.name(), key) {
                None if !is_in_front(&url, key) => url.with_query(key, &text),
                _ => url,
            };
            urls = urls.into_iter().map(take).collect();
        }
        let nameless = |url: &Url| url.user().is_none() && url.query("user").is_none();
        let password = |url: &&Url| url.query("password").is_some();
        if urls.iter().filter(password).any(nameless) {
            return Err(Error::invalid_argument(
                "a password of the registry is given without a user; add `--registry-user`",
            ));
        }
        Ok(urls)
    }
}

/// Whether a URL has credentials before its hosts.
fn is_in_front(url: &Url, key: &str) -> bool {
    match key {
        "user" => url.user().is_some(),
        "password" => url.has_password(),
        _ => false,
    }
}

/// Why a registry does not accept a key, if so.
fn refusal(name: &str, key: &str) -> Option<String> {
    let refusal = |why: &str| Some(format!("registry `{name}` {why}"));
    match (name, key) {
        ("local", "namespace") => None,
        ("mdns", "namespace") => refusal("has domains in place of namespaces, as in `mdns:DOMAIN`"),
        ("memory" | "static", "namespace") => refusal("has no namespaces"),
        ("local" | "mdns" | "memory" | "static", _) => {
            refusal("is no server, and takes nothing of this kind")
        }
        _ => None,
    }
}

/// The entries of a list. A comma separates two entries if it follows a bare name, or if a known name follows it with `:`,
/// `,` or the end behind. A name with a port is a host, and a bare `local` behind `mdns:` is a domain.
fn split<'a>(text: &'a str, names: &[&str]) -> Vec<&'a str> {
    let mut entries = Vec::new();
    let mut start = 0;
    for (comma, _) in text.match_indices(',') {
        let (entry, rest) = (&text[start..comma], &text[comma + 1..]);
        let begins = names.iter().any(|name| {
            rest.strip_prefix(name)
                .is_some_and(|after| match after.strip_prefix(':') {
                    Some(address) => !is_port(address),
                    None => {
                        let is_domain = entry.starts_with("mdns:") && *name == "local";
                        !is_domain && (after.is_empty() || after.starts_with(','))
                    }
                })
        });
        if begins || !entry.contains(':') {
            entries.push(entry);
            start = comma + 1;
        }
    }
    entries.push(&text[start..]);
    entries.into_iter().map(str::trim).collect()
}

/// Whether a port follows, and not an address.
fn is_port(address: &str) -> bool {
    let end = address.find([',', '/', '?']).unwrap_or(address.len());
    let digits = &address[..end];
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_split_where_a_name_begins() {
        let names = ["local", "memory", "mdns", "etcd", "consul"];
        for (text, expected) in [
            ("etcd", &["etcd"][..]),
            ("local,memory", &["local", "memory"]),
            (
                "etcd://h1:1,h2:2,consul://h3",
                &["etcd://h1:1,h2:2", "consul://h3"],
            ),
            (
                "etcd://h1:1,consul:8500,h2",
                &["etcd://h1:1,consul:8500,h2"],
            ),
            ("etcd://h1,consul", &["etcd://h1", "consul"]),
            ("etcd://h1,consul.lan", &["etcd://h1,consul.lan"]),
            ("mdns:micro,local", &["mdns:micro,local"]),
            ("mdns,local", &["mdns", "local"]),
            ("local:/a,local:/b", &["local:/a", "local:/b"]),
            ("memory,ectd", &["memory", "ectd"]),
            (
                "etcd://u:p@h?token=a,memory",
                &["etcd://u:p@h?token=a", "memory"],
            ),
        ] {
            assert_eq!(split(text, &names), expected, "{text}");
        }
    }
}
