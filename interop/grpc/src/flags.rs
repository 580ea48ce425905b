//! Command lines as the official programs take them: `--name=value`, `--name value`, and `--name` for a yes.

use std::collections::BTreeMap;

/// What a command line says.
#[derive(Debug, Default)]
pub struct Flags(BTreeMap<String, String>);

impl Flags {
    /// Reads a command line without the program's name; only the flags in `known` may be there.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        known: &[&str],
    ) -> Result<Self, String> {
        let mut flags = BTreeMap::new();
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix('-') else {
                return Err(format!("`{argument}` is no flag"));
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => {
                    let value = arguments.next_if(|next| !next.starts_with('-'));
                    (flag, value.unwrap_or_else(|| "true".into()))
                }
            };
            if !known.contains(&name) {
                let known = known.join("`, `");
                return Err(format!("unknown flag `{name}`; there are `{known}`"));
            }
            flags.insert(name.to_owned(), value);
        }
        Ok(Flags(flags))
    }

    /// The value of a flag; `None` where it is unsaid or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// Whether a flag says yes.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A number, or the one it is where nothing is said.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub fn number<T: std::str::FromStr>(&self, name: &str, unsaid: T) -> Result<T, String> {
        let Some(value) = self.get(name) else {
            return Ok(unsaid);
        };
        let wrong = |_| format!("`--{name}={value}` is no number");
        value.parse().map_err(wrong)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        let words = line.split(' ').map(str::to_owned);
        Flags::parse(words, &["port", "use_tls", "ca_file"])
    }

    #[test]
    fn values_come_after_a_sign_or_a_space_and_a_bare_flag_is_a_yes() {
        let flags = parse("-port 7 --use_tls --ca_file=x=y").unwrap();
        assert_eq!(flags.number("port", 1), Ok(7));
        assert!(flags.is_set("use_tls"));
        assert_eq!(flags.get("ca_file"), Some("x=y"));
        assert_eq!(parse("--use_tls=false").unwrap().number("port", 1), Ok(1));
    }

    #[test]
    fn what_is_not_known_or_no_number_is_named() {
        assert!(parse("--prot=1").unwrap_err().contains("`prot`"));
        assert!(parse("port").unwrap_err().contains("`port`"));
        let port = parse("--port=x").unwrap().number("port", 1);
        assert!(port.unwrap_err().contains("`--port=x`"));
    }
}
