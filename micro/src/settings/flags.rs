//! The names of settings, and how they are found in the environment and among arguments.

use std::collections::BTreeMap;

use super::list::{self, METADATA};
use crate::error::{Error, Result};

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

/// How it is spelled in the environment.
pub(super) fn variable(name: &str) -> String {
    format!("MICRO_{}", name.to_uppercase().replace('-', "_"))
}

/// Takes in what the environment says; an empty value says nothing.
pub(super) fn read_environment(
    variables: impl IntoIterator<Item = (String, String)>,
    said: &mut BTreeMap<&'static str, Said>,
) {
    for (variable_name, text) in variables {
        let known = list::spelled(|name| variable(name) == variable_name);
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
        let Some(name) = list::spelled(|name| name == plain) else {
            if let Some(meant) = list::named(|name| is_slip(&plain, name)) {
                return Err(Error::invalid_argument(format!(
                    "unknown flag `--{spelled}`; did you mean `--{meant}`? (put it after `--` if not)"
                )));
            }
            rest.push(argument);
            continue;
        };
        let value = value.or_else(|| match list::is_switch(name) {
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
            Some(before) if name == METADATA && before.level == level => {
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
