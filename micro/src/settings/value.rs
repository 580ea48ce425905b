//! Parses values: durations, numbers, pairs.

use std::time::Duration;

/// Units with their length in nanoseconds; a longer spelling stands before its prefixes.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Parses a duration above zero in Go's form, such as `60s`, `1m30s`, `1.5h` or `500ms`.
///
/// A bare number is seconds. `None` for anything else, or more than a hundred years. For flags of the program's own.
///
/// ```
/// use std::time::Duration;
/// use micro::settings;
///
/// assert_eq!(settings::duration("1m30s"), Some(Duration::from_secs(90)));
/// assert_eq!(settings::duration("soon"), None);
/// ```
pub fn duration(text: &str) -> Option<Duration> {
    const MAX_NANOS: f64 = 100.0 * 365.0 * 86_400e9;
    let mut left = text;
    let mut nanos = 0.0;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        nanos = text.parse::<f64>().ok()? * 1e9;
        left = "";
    }
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = left[..digits].parse().ok()?;
        left = &left[digits..];
        let (unit, length) = UNITS.iter().find(|(unit, _)| {
            left.strip_prefix(unit)
                .is_some_and(|next| !next.starts_with(char::is_alphabetic))
        })?;
        nanos += number * length;
        left = &left[unit.len()..];
    }
    (1.0..=MAX_NANOS)
        .contains(&nanos)
        .then(|| Duration::from_nanos(nanos.round() as u64))
}

/// Parses yes or no.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Parses pairs `k=v` separated by commas; `None` if one has no name or no `=`.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), value.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_as_go_writes_them() {
        let cases = [
            ("60s", 60_000),
            ("60", 60_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("1h0m2s", 3_602_000),
        ];
        for (text, millis) in cases {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for wrong in [
            "",
            "0",
            "0s",
            "-1s",
            "s",
            "5 s",
            "1d",
            "1.2.3s",
            "10",
            "1e3",
            "9999999999999h",
        ] {
            let expected = (wrong == "10").then(|| Duration::from_secs(10));
            assert_eq!(duration(wrong), expected, "{wrong}");
        }
        assert_eq!(duration("5\u{b5}s"), Some(Duration::from_micros(5)));
    }

    #[test]
    fn pairs_need_a_name_and_an_equals_sign() {
        let expected = [("a", "1"), ("b", "x=y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(pairs("a=1, b=x=y"), Some(expected.to_vec()));
        assert_eq!(pairs("a"), None);
        assert_eq!(pairs("=1"), None);
    }
}
