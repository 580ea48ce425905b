//! `grpc-message`: text with `%XX` for every byte that is not printable ASCII, and for `%`.

use std::fmt::Write;

use http::HeaderValue;

/// A text as a header's value.
pub(super) fn encode(text: &str) -> HeaderValue {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'%';
    if let Ok(value) = HeaderValue::from_str(text)
        && text.as_bytes().iter().all(is_plain)
    {
        return value;
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_plain(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(encoded).expect("printable ASCII is a header's value")
}

/// The text of a header's value. What is no escape stays as it is, and bytes that are no text are replaced.
pub(super) fn decode(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match after.split_first_chunk::<2>() {
            Some((digits, after)) if first == b'%' => hex(digits).map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn hex(digits: &[u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = digit(digits[0])? << 4 | digit(digits[1])?;
    u8::try_from(byte).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was() {
        for text in [
            "",
            "plain",
            "100 %",
            "a\nb\tc",
            "Grüße ☃",
            "%41",
            "\u{7f}~ ",
        ] {
            assert_eq!(decode(encode(text).as_bytes()), text, "{text:?}");
        }
        assert_eq!(encode("a\n%"), "a%0A%25");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(decode(b"100 %, %4, %zz"), "100 %, %4, %zz");
        assert_eq!(decode(b"%C3"), "\u{fffd}");
    }
}
