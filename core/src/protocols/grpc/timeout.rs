//! `grpc-timeout`: at most eight digits and a unit.

use std::time::Duration;

use http::HeaderValue;

/// The duration of a header; `None` if it is malformed.
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

/// The largest number.
const MAX_COUNT: u64 = 99_999_999;
/// The largest amount added, in nanoseconds.
const MAX_ROUNDING: u64 = 10_000_000;
/// Nanoseconds of each unit, from the coarsest.
const UNITS: [(u64, u8); 5] = [
    (60_000_000_000, b'M'),
    (1_000_000_000, b'S'),
    (1_000_000, b'm'),
    (1_000, b'u'),
    (1, b'n'),
];

/// A duration as a header, never less than it is and at most about a thousandth more.
///
/// It is rounded so that calls with the same timeout mostly have the same header, which HPACK's table then contains; up,
/// as in other clients of gRPC, so that the caller's own clock ends the call, and cancels it.
pub(super) fn write(left: Duration) -> HeaderValue {
    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
    let mut step = 1;
    while step < MAX_ROUNDING && left / step >= 9_000 {
        step *= 10;
    }
    let left = left.checked_next_multiple_of(step).unwrap_or(left);
    // The coarsest exact unit, or the finest that fits.
    let exact = UNITS
        .iter()
        .position(|(size, _)| left.is_multiple_of(*size))
        .unwrap_or(UNITS.len() - 1);
    let (count, unit) = UNITS[..=exact]
        .iter()
        .rev()
        .map(|(size, unit)| (left.div_ceil(*size), *unit))
        .find(|(count, _)| *count <= MAX_COUNT)
        .unwrap_or((MAX_COUNT, b'M'));
    digits(count, unit)
}

/// At most eight digits and a letter.
fn digits(mut count: u64, unit: u8) -> HeaderValue {
    let mut text = [unit; 9];
    let mut begin = text.len() - 1;
    for digit in text[..8].iter_mut().rev() {
        *digit = b'0' + (count % 10) as u8;
        count /= 10;
        begin -= 1;
        if count == 0 {
            break;
        }
    }
    HeaderValue::from_bytes(&text[begin..]).expect("digits and a letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_read_in_every_unit_and_nothing_else() {
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
    fn duration_is_written_in_the_coarsest_exact_unit() {
        let of = |nanos| write(Duration::from_nanos(nanos));
        assert_eq!(of(0), "0M");
        assert_eq!(of(8_999), "8999n");
        assert_eq!(of(100_000_000), "100m");
        assert_eq!(of(5_000_000_000), "5S");
        assert_eq!(of(120_000_000_000), "2M");
        assert_eq!(write(Duration::from_secs(86_401)), "86401S");
        assert_eq!(write(Duration::from_secs(100_000_001)), "1666667M");
        assert_eq!(write(Duration::MAX), "99999999M");
    }

    #[test]
    fn equal_timeouts_give_equal_headers_a_moment_later() {
        for (time, said) in [
            (60_000_000_000, "1M"),
            (5_000_000_000, "5S"),
            (1_000_000_000, "1S"),
            (250_000_000, "250m"),
        ] {
            for moment in [1, 10_000, 99_999] {
                let left = Duration::from_nanos(time - moment);
                assert_eq!(write(left), said, "{left:?}");
            }
        }
    }

    #[test]
    fn written_duration_is_neither_less_nor_much_more() {
        let mut nanos: u64 = 1;
        while nanos < 1 << 56 {
            let left = Duration::from_nanos(nanos);
            let told = write(left);
            let told = told.to_str().ok().and_then(read).unwrap_or_default();
            assert!(told >= left, "{left:?}");
            let step = if nanos < MAX_COUNT * 1_000_000 {
                10
            } else {
                1_000
            };
            let most = left + (left / 900).min(Duration::from_millis(step));
            assert!(told <= most, "{left:?}");
            nanos += nanos / 7 + 1;
        }
    }
}
