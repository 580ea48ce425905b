//! Parses arguments: durations, pairs and JSON.

use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, Result};

/// A duration in the format of the settings, such as `250ms`, `5s` or `1m30s`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    micro::settings::duration(text)
        .ok_or_else(|| "write a duration above zero such as `250ms`, `5s` or `1m30s`".to_owned())
}

/// A name and a value with `=` between them.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as `name=value`".to_owned()),
    }
}

/// A version and its weight with `=` between them.
pub(crate) fn weight(text: &str) -> Result<(String, u32), String> {
    let (version, weight) =
        pair(text).map_err(|_| "write it as `version=weight`, such as `v2=10`".to_owned())?;
    let weight = weight
        .parse()
        .map_err(|_| format!("weight `{weight}` is not a whole number from 0"))?;
    Ok((version, weight))
}

/// JSON of an argument; `what` names it in the error, which has line and column.
pub(crate) fn json(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("{what} is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_is_split_at_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("a").is_err() && pair("=b").is_err());
        assert_eq!(weight("v2=10"), Ok(("v2".into(), 10)));
        assert!(
            weight("v2=many")
                .expect_err("a weight is a number")
                .contains("`many`")
        );
    }
}
