//! The process's variables and arguments, and the output of `--help` and `--version`.

use std::ffi::OsString;

use super::list;
use micro_core::error::{Error, Result};

/// Text of the operating system, such as an argument.
pub(super) struct Argument {
    pub(super) text: String,
    /// Whether the text is valid UTF-8.
    pub(super) is_whole: bool,
}

impl Argument {
    /// The text, if it is valid UTF-8.
    pub(super) fn of(text: String) -> Self {
        let is_whole = true;
        Argument { text, is_whole }
    }
}

impl From<OsString> for Argument {
    fn from(argument: OsString) -> Self {
        match argument.into_string() {
            Ok(text) => Argument::of(text),
            Err(argument) => Argument {
                text: argument.to_string_lossy().into_owned(),
                is_whole: false,
            },
        }
    }
}

/// The process's variables that are UTF-8. One of Micro's variables that is not is an error.
pub(super) fn variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>> {
    let mut whole = Vec::new();
    for (name, value) in variables {
        // No variable of Micro has a name that is not UTF-8.
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => whole.push((name, value)),
            Err(_) if list::spelled(|known| list::variable(known) == name).is_some() => {
                return Err(Error::invalid_argument(format!(
                    "the variable `{name}` is not UTF-8"
                )));
            }
            Err(_) => {}
        }
    }
    Ok(whole)
}

/// The arguments of the process, without the program's name.
pub(super) fn arguments() -> impl Iterator<Item = Argument> {
    std::env::args_os().skip(1).map(Argument::from)
}

/// The output for `--help`, `-h`, `--version` or `-V`, if one of them is among the arguments of a service.
pub(super) fn answer<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
    service: &str,
    version: &str,
) -> Option<String> {
    let mut own = arguments
        .into_iter()
        .take_while(|argument| *argument != "--");
    let asked = own.find(|argument| ["--help", "-h", "--version", "-V"].contains(argument))?;
    Some(match asked {
        "--version" | "-V" => format!(
            "{service} {version} (micro {})\n",
            env!("CARGO_PKG_VERSION")
        ),
        _ => help(service),
    })
}

fn help(service: &str) -> String {
    let width = list::SETTINGS
        .iter()
        .map(|setting| setting.name.len())
        .max();
    let width = width.unwrap_or_default();
    let mut text = format!(
        "Settings of the service `{service}`. Each flag is a variable too: `--server-name` is `MICRO_SERVER_NAME`.\n\n"
    );
    for setting in &list::SETTINGS {
        let list::Setting {
            name,
            default,
            means,
        } = setting;
        text += &format!(
            "  --{name:width$}  {means} [{}]\n",
            default.trim_matches('`')
        );
    }
    text += &format!("  --{:width$}  this text\n", "help");
    text + &format!("  --{:width$}  the version of the service\n", "version")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn answered(arguments: &[&str]) -> Option<String> {
        answer(arguments.iter().copied(), "greeter", "1.2")
    }

    #[test]
    fn help_lists_every_setting_and_version_is_the_services() {
        let help = answered(&["--server-name=x", "--help"]).unwrap();
        for setting in &list::SETTINGS {
            assert!(help.contains(&format!("--{} ", setting.name)), "{help}");
        }
        assert!(
            answered(&["--version"])
                .unwrap()
                .starts_with("greeter 1.2 (")
        );
        assert_eq!(answered(&["help", "--", "--help"]), None);
        assert_eq!(answered(&[]), None);
    }

    #[cfg(unix)]
    #[test]
    fn variable_of_ours_that_is_not_utf8_is_an_error() {
        use std::os::unix::ffi::OsStringExt;

        let odd = || OsString::from_vec(vec![0xff]);
        for ours in ["MICRO_SERVER_NAME", "MICRO_ENABLE_TLS"] {
            let error = variables([(ours.into(), odd())]).unwrap_err();
            assert!(error.message().contains(ours), "{error}");
        }
        let others = variables([("LANG".into(), odd()), (odd(), odd())]);
        assert!(others.unwrap().is_empty());
    }
}
