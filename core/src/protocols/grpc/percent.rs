//! `grpc-message`: text with `%XX` for every byte that is not printable ASCII, and for `%`.

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Encodes a text as the value of a header.
pub(super) fn encode(text: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(text, ESCAPED).to_string();
    HeaderValue::try_from(encoded).expect("printable ASCII is a header's value")
}

/// Decodes the value of a header. A percent sign without two digits stays, and bytes that are not UTF-8 are replaced.
pub(super) fn decode(value: &[u8]) -> String {
    percent_decode(value).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives() {
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
    fn text_that_is_no_escape_stays() {
        assert_eq!(decode(b"100 %, %4, %zz"), "100 %, %4, %zz");
        assert_eq!(decode(b"%C3"), "\u{fffd}");
    }
}
