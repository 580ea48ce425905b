//! The names of settings, and how they are found in the environment and among arguments.

use std::collections::BTreeMap;

use super::{
    arguments::Argument,
    list::{self, METADATA},
};
use micro_core::{
    error::{Error, Result},
    suggest,
};

/// Where a setting comes from, by precedence: the later wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Environment,
    Flag,
}

/// A setting that is set.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) level: Level,
    pub(super) text: String,
    /// The setting of lower precedence that this one replaces.
    pub(super) replaced: Option<String>,
}

impl Level {
    /// How the setting is written there, for errors.
    pub(super) fn spell(self, name: &str) -> String {
        match self {
            Level::Environment => list::variable(name),
            Level::Flag => format!("--{name}"),
        }
    }
}

/// Reads the environment; an empty value counts as unset. Warns of a variable that looks like a setting.
pub(super) fn read_environment(
    variables: impl IntoIterator<Item = (String, String)>,
    settings: &mut BTreeMap<&'static str, Setting>,
) {
    for (variable_name, text) in variables {
        let known = list::spelled(|name| list::variable(name) == variable_name);
        let Some(name) = known else {
            warn_of_unknown(&variable_name);
            continue;
        };
        let text = list::trimmed(name, text);
        if !text.is_empty() {
            let level = Level::Environment;
            settings.entry(name).or_insert(Setting {
                level,
                text,
                replaced: None,
            });
        }
    }
}

/// Warns of a variable whose name resembles that of a setting.
fn warn_of_unknown(variable_name: &str) {
    let Some(name) = variable_name.strip_prefix("MICRO_") else {
        return;
    };
    let name = name.to_lowercase().replace('_', "-");
    let is_slip = list::named(|known| is_slip(&name, known)).is_some();
    if is_slip || list::is_ours(&name) {
        let near = near(&name).map(list::variable);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        tracing::warn!("the variable `{variable_name}` is no setting and is ignored{hint}");
    }
}

/// The setting that a wrong name most likely stands for: one typo away, or with the same ending, as `register-ttl` for
/// `registry-ttl`.
fn near(wrong: &str) -> Option<&'static str> {
    let names = || list::SETTINGS.iter().map(|setting| setting.name);
    let (first, end) = wrong.split_once('-').unwrap_or((wrong, ""));
    let ends_alike = |name: &str| !end.is_empty() && name.ends_with(&format!("-{end}"));
    let begins_alike = |name: &str| name.split('-').next() == Some(first);
    let letter = |name: &str| name.as_bytes().first().copied();
    list::named(|name| is_slip(wrong, name))
        .or_else(|| names().find(|name| begins_alike(name) && ends_alike(name)))
        .or_else(|| names().find(|name| letter(name) == letter(wrong) && ends_alike(name)))
        .or_else(|| {
            let longer = names().filter(|name| name.contains('-') && wrong.starts_with(name));
            longer.max_by_key(|name| name.len())
        })
        .or_else(|| suggest(wrong, names()).into_iter().next())
}

/// Reads the flags that are settings, and returns the other arguments.
pub(super) fn read_arguments(
    arguments: impl IntoIterator<Item = Argument>,
    settings: &mut BTreeMap<&'static str, Setting>,
) -> Result<Vec<String>> {
    let mut rest = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(Argument {
        text: argument,
        is_whole,
    }) = arguments.next()
    {
        if argument == "--" {
            rest.push(argument);
            rest.extend(arguments.map(|argument| argument.text));
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
        let Some(name) = list::spelled(|name| name == plain) else {
            let is_slip = list::named(|name| is_slip(&plain, name)).is_some();
            if is_slip || list::is_ours(&plain) {
                let near = near(&plain);
                let hint =
                    near.map_or_else(String::new, |near| format!("; did you mean `--{near}`?"));
                return Err(Error::invalid_argument(format!(
                    "unknown flag `--{spelled}`{hint} (put it after `--` if it is your own)"
                )));
            }
            rest.push(argument);
            continue;
        };
        let mut whole = is_whole;
        let value = value.or_else(|| match list::is_switch(name) {
            true => Some("true".to_owned()),
            false => {
                let next = arguments.next_if(|next| !next.text.starts_with("--"))?;
                whole &= next.is_whole;
                Some(next.text)
            }
        });
        if !whole {
            return Err(Error::invalid_argument(format!(
                "the value of flag `--{name}` is not UTF-8"
            )));
        }
        let value = value.map(|value| list::trimmed(name, value));
        let text = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::invalid_argument(format!(
                "flag `--{name}` needs a value, as in `--{name}=VALUE`"
            ))
        })?;
        let level = Level::Flag;
        match settings.get_mut(name) {
            Some(before) if name == METADATA && before.level == level => {
                before.text = format!("{},{text}", before.text);
            }
            before => {
                let replaced = before.and_then(|before| match before.level {
                    Level::Environment => Some(before.text.clone()),
                    Level::Flag => before.replaced.take(),
                });
                settings.insert(
                    name,
                    Setting {
                        level,
                        text,
                        replaced,
                    },
                );
            }
        }
    }
    Ok(rest)
}

/// Whether two names differ by one inserted, removed or changed character, or by two that are swapped.
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
    fn misspelt_setting_is_recognised() {
        for (wrong, meant) in [
            ("registry-ttl", Some("register-ttl")),
            ("registry-interval", Some("register-interval")),
            ("client-timeout", Some("client-request-timeout")),
            ("server-adress", Some("server-address")),
            ("tls-keyfile", Some("tls-key")),
            ("server-zzzzzzzzzzzz", None),
        ] {
            assert_eq!(near(wrong), meant, "{wrong}");
        }
    }

    #[test]
    fn one_typo_is_recognised_and_another_name_is_not() {
        for slip in ["regitry", "registtry", "regisrty", "registrx"] {
            assert!(is_slip(slip, "registry"), "{slip}");
        }
        for other in ["register", "registry", "name", "address", "verbose", ""] {
            assert!(!is_slip(other, "registry"), "{other}");
        }
    }
}
