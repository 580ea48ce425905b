//! The names of settings, and how they are found in the environment and among arguments.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Every setting, spelled as its flag without the hyphens before it.
pub(super) const NAMES: [&str; 27] = [
    "broker",
    "broker-address",
    "client-pool-ttl",
    "client-request-timeout",
    "client-retries",
    "register-interval",
    "register-ttl",
    "registry",
    "registry-address",
    "selector",
    "server-address",
    "server-advertise",
    "server-id",
    "server-metadata",
    "server-name",
    "server-version",
    "tls-always",
    "tls-ca",
    "tls-cert",
    "tls-client-ca",
    "tls-client-optional",
    "tls-insecure",
    "tls-key",
    "tls-require",
    "tls-server-name",
    "transport",
    "transport-address",
];

/// Settings by other names: go-micro's.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("enable-tls", "tls-require"),
    ("tls-ca-file", "tls-ca"),
    ("tls-cert-file", "tls-cert"),
    ("tls-client-ca-file", "tls-client-ca"),
    ("tls-key-file", "tls-key"),
];

/// Those that say yes when they are given without a value.
const SWITCHES: [&str; 4] = [
    "tls-always",
    "tls-client-optional",
    "tls-insecure",
    "tls-require",
];

/// The one that may be said more than once.
pub(super) const METADATA: &str = "server-metadata";

/// Who said it; the later wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Environment,
    Flag,
}

/// A setting that was made.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) level: Level,
    pub(super) text: String,
    /// What it took the place of, said further away.
    pub(super) instead: Option<String>,
}

impl Level {
    /// How a setting is spelled here, to be named in an error.
    pub(super) fn spell(self, name: &str) -> String {
        match self {
            Level::Environment => variable(name),
            Level::Flag => format!("--{name}"),
        }
    }
}

fn variable(name: &str) -> String {
    format!("MICRO_{}", name.to_uppercase().replace('-', "_"))
}

/// Takes in what the environment says; an empty value says nothing.
pub(super) fn read_environment(
    variables: impl IntoIterator<Item = (String, String)>,
    said: &mut BTreeMap<&'static str, Said>,
) {
    for (variable_name, text) in variables {
        let other = OTHER_NAMES
            .iter()
            .find(|(other, _)| variable(other) == variable_name);
        let known = NAMES.iter().find(|name| match other {
            Some((_, own)) => *name == own,
            None => variable(name) == variable_name,
        });
        if let Some(name) = known.filter(|_| !text.is_empty()) {
            let level = Level::Environment;
            said.entry(name).or_insert(Said {
                level,
                text,
                instead: None,
            });
        }
    }
}

/// Takes in the flags that are ours, and gives back what is left.
pub(super) fn read_arguments(
    arguments: impl IntoIterator<Item = String>,
    said: &mut BTreeMap<&'static str, Said>,
) -> Result<Vec<String>> {
    let mut rest = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            rest.push(argument);
            rest.extend(arguments);
            break;
        }
        let Some(flag) = argument.strip_prefix("--") else {
            rest.push(argument);
            continue;
        };
        let (spelled, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let plain = spelled.replace('_', "-");
        let other = OTHER_NAMES.iter().find(|(other, _)| *other == plain);
        let plain = other.map_or(plain, |(_, own)| (*own).to_owned());
        let Some(name) = NAMES.iter().find(|name| **name == plain) else {
            if let Some(meant) = NAMES.iter().find(|name| is_slip(&plain, name)) {
                return Err(Error::invalid_argument(format!(
                    "unknown flag `--{spelled}`; did you mean `--{meant}`? (put it after `--` if not)"
                )));
            }
            rest.push(argument);
            continue;
        };
        let value = value.or_else(|| match SWITCHES.contains(name) {
            true => Some("true".to_owned()),
            false => arguments.next_if(|next| !next.starts_with("--")),
        });
        let text = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::invalid_argument(format!(
                "flag `--{name}` needs a value, as in `--{name}=VALUE`"
            ))
        })?;
        let level = Level::Flag;
        match said.get_mut(name) {
            Some(before) if *name == METADATA && before.level == level => {
                before.text = format!("{},{text}", before.text);
            }
            before => {
                let instead = before.and_then(|before| match before.level {
                    Level::Environment => Some(before.text.clone()),
                    Level::Flag => before.instead.take(),
                });
                said.insert(
                    name,
                    Said {
                        level,
                        text,
                        instead,
                    },
                );
            }
        }
    }
    Ok(rest)
}

/// Whether two names differ by one character more, less or other, or by two in the wrong order.
fn is_slip(wrong: &str, right: &str) -> bool {
    let (mut a, mut b) = (wrong.as_bytes(), right.as_bytes());
    while let ([x, left @ ..], [y, other @ ..]) = (a, b)
        && x == y
    {
        (a, b) = (left, other);
    }
    while let ([left @ .., x], [other @ .., y]) = (a, b)
        && x == y
    {
        (a, b) = (left, other);
    }
    match (a, b) {
        ([], [_]) | ([_], [] | [_]) => true,
        ([w, x], [y, z]) => w == z && x == y,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_recognised_and_another_name_is_not() {
        for slip in ["regitry", "registtry", "regisrty", "registrx"] {
            assert!(is_slip(slip, "registry"), "{slip}");
        }
        for other in ["register", "registry", "name", "address", "verbose", ""] {
            assert!(!is_slip(other, "registry"), "{other}");
        }
    }
}
