//! Escapes control characters in text from registries, servers and publishers before it reaches a terminal.

use std::{borrow::Cow, fmt::Write};

/// The text with control characters escaped, such as `\\u{1b}`, and characters that change the direction of text.
///
/// Line ends and tabs stay if `lines` is set.
pub(crate) fn printable(text: &str, lines: bool) -> Cow<'_, str> {
    let stays = |c: char| lines && matches!(c, '\n' | '\t');
    let harmful = |c: char| (c.is_control() || changes_direction(c)) && !stays(c);
    if !text.chars().any(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match harmful(c) {
            // All have at most four hexadecimal digits. Writing to a string cannot fail.
            true => write!(shown, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Marks, embeddings, overrides and isolates of bidirectional text (Unicode Standard Annex 9).
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("greeter ü", false), "greeter ü");
        assert_eq!(
            printable("a\u{1b}[2J\r\u{9b}b", true),
            "a\\u001b[2J\\u000d\\u009bb"
        );
        assert_eq!(printable("a\u{202e}b\u{7f}", true), "a\\u202eb\\u007f");
        assert_eq!(printable("a\n\tb", true), "a\n\tb");
        assert_eq!(printable("a\nb", false), "a\\u000ab");
    }
}
