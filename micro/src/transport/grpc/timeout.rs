//! `grpc-timeout`: at most eight digits and a unit.

use std::time::Duration;

use http::HeaderValue;

/// The time that a header tells; `None` when it is not one.
pub(super) fn read(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// A time as a header, in the finest unit that holds it, never more than there is.
pub(super) fn write(left: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let nanos = left.as_nanos();
    let units = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
    ];
    let (count, unit) = units
        .into_iter()
        .map(|(size, unit)| (nanos / size, unit))
        .find(|(count, _)| *count <= MOST)
        .unwrap_or((MOST, 'M'));
    HeaderValue::try_from(format!("{count}{unit}")).expect("digits and a letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_unit_and_nothing_else() {
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("5m"), Some(Duration::from_millis(5)));
        assert_eq!(read("0u"), Some(Duration::ZERO));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1 S", "1é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_is_written_as_fine_as_it_fits() {
        assert_eq!(write(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(write(Duration::from_millis(100)), "100000u");
        assert_eq!(write(Duration::from_secs(5)), "5000000u");
        assert_eq!(write(Duration::from_secs(86_400)), "86400000m");
        assert_eq!(write(Duration::MAX), "99999999M");
    }
}
