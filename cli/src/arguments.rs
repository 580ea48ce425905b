//! Arguments with a form of their own: durations, pairs and JSON.

use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, Result};

/// A duration such as `250ms`, `5s`, `2m` or `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("no unit `{unit}`; use `us`, `ms`, `s`, `m` or `h`")),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * scale).ok())
        .ok_or_else(|| "write a duration such as `250ms`, `5s` or `2m`".to_owned())
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

/// JSON given by a person; `what` names it. The error says line and column.
pub(crate) fn json(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("{what} is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("60"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "-1s", "1.2.3s", "5 parsecs", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pair_is_split_at_the_first_sign() {
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
