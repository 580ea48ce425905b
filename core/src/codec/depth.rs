//! Measures how deep JSON is nested, without recursion.

/// The limit of Protobuf's implementations, for its binary form and for JSON.
pub(super) const PROTOBUF: usize = 100;

/// Whether JSON is nested deeper than `limit`.
pub(super) fn json_exceeds(json: &[u8], limit: usize) -> bool {
    let opening = |byte: &&u8| matches!(byte, b'{' | b'[');
    // Hardly any message has that many brackets; counting them is much faster than matching them.
    if json.iter().filter(opening).count() <= limit {
        return false;
    }
    let mut depth = 0usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

/// Skips a string whose opening quote has been read.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_outside_strings_only() {
        assert!(!json_exceeds(br#"{"a":[1]}"#, 2));
        assert!(json_exceeds(br#"{"a":[[1]]}"#, 2));
        assert!(!json_exceeds(br#"["[[[\"[[[","\\",[{}]]"#, 3));
        assert!(json_exceeds(br#"["\\",[{}]]"#, 2));
        assert!(!json_exceeds(b"[[],[],[],[]]", 2));
        assert!(!json_exceeds(b"]]]\"[[[", 2));
    }
}
