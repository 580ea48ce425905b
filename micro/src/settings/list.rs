//! The table of all settings. `docs/settings.md` has the same rows; a test compares them.

/// A setting, named by its flag without the leading hyphens.
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// The default, as `docs/settings.md` has it.
    pub(super) default: &'static str,
    /// The description, as `docs/settings.md` has it.
    pub(super) means: &'static str,
}

const fn setting(name: &'static str, default: &'static str, means: &'static str) -> Setting {
    Setting {
        name,
        default,
        means,
    }
}

/// The only setting that may be repeated.
pub(super) const METADATA: &str = "server-metadata";

/// Every setting, in the order of the page.
pub(super) const SETTINGS: [Setting; 42] = [
    setting(
        "registry",
        "`local`",
        "where services register and are found; several, separated by commas",
    ),
    setting("registry-address", "its own", "the address of the registry"),
    setting(
        "registry-namespace",
        "none",
        "separates this fleet from others in the same registry",
    ),
    setting("registry-user", "none", "the user name for the registry"),
    setting(
        "registry-password",
        "none",
        "the password of that user; never logged",
    ),
    setting(
        "registry-token",
        "none",
        "a token for the registry; never logged",
    ),
    setting(
        "registry-tls",
        "`no`",
        "use TLS to the registry; implied by each of its certificate files",
    ),
    setting(
        "registry-tls-ca",
        "the system's",
        "a file of certificate authorities that the registry's certificate is verified with",
    ),
    setting(
        "registry-tls-cert",
        "none",
        "the file of the client certificate for the registry; needs `--registry-tls-key`",
    ),
    setting("registry-tls-key", "none", "the file of its private key"),
    setting(
        "registry-tls-insecure",
        "`no`",
        "do not verify the registry's certificate",
    ),
    setting("transport", "`native`", "how calls are carried"),
    setting(
        "transport-address",
        "its own",
        "the address of the transport",
    ),
    setting("broker", "`direct`", "how events are published"),
    setting("broker-address", "its own", "the address of the broker"),
    setting("selector", "`p2c`", "how a node is picked for a call"),
    setting("server-name", "the code's", "the service's name"),
    setting("server-version", "`latest`", "the version it registers as"),
    setting(
        "server-id",
        "random",
        "the node's id, after the service's name and a hyphen",
    ),
    setting(
        "server-address",
        "`127.0.0.1:0`",
        "where it listens: `host:port`, port 0 for any free port, `:port` for every interface, or `unix:PATH`",
    ),
    setting(
        "server-advertise",
        "where it listens",
        "the address to register, if callers reach the service by another one; a host alone takes the port it listens at",
    ),
    setting(
        "server-cors-origins",
        "none",
        "origins whose web pages may call by Connect and gRPC-Web, separated by commas, or `*`",
    ),
    setting(
        "server-allowed-hosts",
        "none",
        "hosts that HTTP requests over loopback may name, besides loopback's own and the advertised one, separated by commas, or `*`",
    ),
    setting(
        METADATA,
        "none",
        "pairs `k=v` of the node's metadata, separated by commas; the flag may be repeated",
    ),
    setting(
        "metadata",
        "none",
        "metadata of requests that is sent on to the services a handler calls: names separated by commas, or `all`",
    ),
    setting(
        "ops",
        "`all`",
        "which operational endpoints are served: `health`, `ready`, `metrics`, `debug`, `reflection`, separated by commas, or `none`",
    ),
    setting(
        "ops-address",
        "where it listens",
        "a separate address for the operational endpoints, which are then served only there",
    ),
    setting(
        "register-ttl",
        "`60s`",
        "how long a registration lasts without renewal",
    ),
    setting(
        "register-interval",
        "`30s`",
        "how often it is renewed; a third of `--register-ttl` if only that is given and a third is less",
    ),
    setting(
        "client-request-timeout",
        "`5s`",
        "the timeout of a call without a deadline",
    ),
    setting(
        "client-retries",
        "`3`",
        "attempts after the first, in the whole call tree",
    ),
    setting(
        "client-snapshots",
        "the user's cache",
        "the directory of known nodes, for a start without the registry, or `no`",
    ),
    setting(
        "client-pool-ttl",
        "`90s`",
        "how long a connection without calls is kept",
    ),
    setting(
        "tls-cert",
        "none",
        "the file of the certificate, for clients and for servers that ask; needs `--tls-key`",
    ),
    setting("tls-key", "none", "the file of its private key"),
    setting(
        "tls-ca",
        "the system's",
        "a file of certificate authorities that servers are verified with",
    ),
    setting(
        "tls-client-ca",
        "none",
        "a file of certificate authorities; clients must have a certificate of one; plaintext is refused",
    ),
    setting(
        "tls-client-optional",
        "`no`",
        "accept clients without a certificate; plaintext too, unless it is refused",
    ),
    setting("tls-require", "`no`", "refuse plaintext connections"),
    setting(
        "tls-always",
        "`no`",
        "use TLS to every node, not only to those that ask for it",
    ),
    setting(
        "tls-server-name",
        "their host",
        "the name that servers' certificates must be for",
    ),
    setting(
        "tls-insecure",
        "`no`",
        "do not verify servers' certificates",
    ),
];

/// Other names of settings, which are go-micro's.
pub(super) const OTHER_NAMES: [(&str, &str); 5] = [
    ("enable-tls", "tls-require"),
    ("tls-ca-file", "tls-ca"),
    ("tls-cert-file", "tls-cert"),
    ("tls-client-ca-file", "tls-client-ca"),
    ("tls-key-file", "tls-key"),
];

/// Switches: without a value they mean yes.
const SWITCHES: [&str; 6] = [
    "registry-tls",
    "registry-tls-insecure",
    "tls-always",
    "tls-client-optional",
    "tls-insecure",
    "tls-require",
];

/// The prefixes of setting names. A flag of the program's own begins with another word.
const PREFIXES: [&str; 9] = [
    "broker-",
    "client-",
    "ops-",
    "register-",
    "registry-",
    "selector-",
    "server-",
    "tls-",
    "transport-",
];

/// Whether an unknown name has the prefix of a setting.
pub(super) fn is_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The settings in which leading or trailing blanks may belong to the value.
const SECRETS: [&str; 2] = ["registry-password", "registry-token"];

/// The value of a setting without surrounding blanks, unless it is a secret.
pub(super) fn trimmed(name: &str, text: String) -> String {
    match SECRETS.contains(&name) {
        true => text,
        false => text.trim().to_owned(),
    }
}

/// Whether a setting means yes without a value.
pub(super) fn is_switch(name: &str) -> bool {
    SWITCHES.contains(&name)
}

/// The name of the setting's environment variable.
pub(super) fn variable(name: &str) -> String {
    format!("MICRO_{}", name.to_uppercase().replace('-', "_"))
}

/// The setting with this name or other name.
pub(super) fn spelled(is_it: impl Fn(&str) -> bool) -> Option<&'static str> {
    let other = OTHER_NAMES.iter().find(|(other, _)| is_it(other));
    named(|name| match other {
        Some((_, own)) => name == *own,
        None => is_it(name),
    })
}

/// The setting with this name.
pub(super) fn named(is_it: impl Fn(&str) -> bool) -> Option<&'static str> {
    let mut names = SETTINGS.iter().map(|setting| setting.name);
    names.find(|name| is_it(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{known, table};
    use micro_core::selector::strategy;

    fn file(path: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(path).unwrap()
    }

    /// The rows of four cells that describe a flag.
    fn rows(page: &str) -> Vec<&str> {
        let rows = page.lines().filter(|line| line.starts_with("| `--"));
        rows.filter(|row| row.matches(" | ").count() == 3).collect()
    }

    #[test]
    fn page_has_exactly_the_settings() {
        let expected: Vec<_> = SETTINGS
            .iter()
            .map(|setting| {
                let Setting {
                    name,
                    default,
                    means,
                } = setting;
                let variable = variable(name);
                format!("| `--{name}` | `{variable}` | {default} | {means} |")
            })
            .collect();
        assert_eq!(rows(&file("../docs/settings.md")), expected);
    }

    #[test]
    fn page_has_exactly_the_built_in_plugins() {
        let row = |kind: &str, names: Vec<&str>| {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("| {kind} | {} |", names.join(", "))
        };
        let page = file("../docs/settings.md");
        // Plugins behind features that are off by default have pages of their own.
        let (registries, by_feature) = (table::registries(), known::addable("registry"));
        let mut always = registries.names();
        always.retain(|name| !by_feature.contains(name));
        for row in [
            row("registry", always),
            row("transport", table::transports().names()),
            row("broker", table::brokers().names()),
            row("selector", strategy::NAMES.to_vec()),
        ] {
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn page_has_every_other_name() {
        let page = file("../docs/settings.md");
        for (other, own) in OTHER_NAMES {
            let row = format!("| `--{other}` | `{}` | `--{own}` |", variable(other));
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn switch_is_a_setting_that_is_off_by_default() {
        for switch in SWITCHES {
            let setting = SETTINGS.iter().find(|setting| setting.name == switch);
            assert_eq!(
                setting.map(|setting| setting.default),
                Some("`no`"),
                "{switch}"
            );
        }
    }

    #[test]
    fn module_docs_name_every_setting() {
        let docs = file("src/settings/mod.rs");
        for Setting { name, .. } in SETTINGS {
            assert!(docs.contains(&format!("`--{name}")), "{name}");
        }
    }
}
