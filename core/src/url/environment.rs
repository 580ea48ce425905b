//! Environment variables that complete a URL.

use std::env;

use crate::error::{Error, Result};

/// Reads an environment variable; `None` if it is not set or empty.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a value that is not UTF-8.
pub fn env_var(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            let text = format!("the variable `{name}` is not UTF-8");
            Err(Error::invalid_argument(text))
        }
    }
}

/// Removes the blanks around a value, which belong to no address, number or name; `None` if nothing is left.
pub fn non_blank(value: Option<String>) -> Option<String> {
    let value = value.map(|value| value.trim().to_owned());
    value.filter(|value| !value.is_empty())
}
