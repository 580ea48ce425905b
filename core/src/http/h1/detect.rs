//! Whether a connection begins like HTTP/1: with a method.

use crate::net::protocol::Detect;

/// The first bytes of HTTP/2: RFC 9113, section 3.4.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// From this length on, a word is a mistake to answer rather than the beginning of a method.
const MAX_METHOD_SIZE: usize = 32;

/// The first bytes of connections: the methods of RFC 9110 and PATCH.
pub(crate) const EXAMPLES: [&[u8]; 9] = [
    b"GET / HTTP/1.1\r\n",
    b"HEAD / HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"PUT / HTTP/1.1\r\n",
    b"DELETE / HTTP/1.1\r\n",
    b"OPTIONS / HTTP/1.1\r\n",
    b"CONNECT / HTTP/1.1\r\n",
    b"TRACE / HTTP/1.1\r\n",
    b"PATCH / HTTP/1.1\r\n",
];

/// A token followed by white space, even if the rest will be refused, since the response then says so.
pub(crate) fn detect(first: &[u8]) -> Detect {
    match Detect::prefix(first, HTTP2) {
        Detect::Yes => return Detect::No,
        Detect::More => return Detect::More,
        Detect::No => {}
    }
    let line = match first {
        [b'\r'] => return Detect::More,
        [b'\r', b'\n', line @ ..] => line,
        line => line,
    };
    let token = line
        .iter()
        .copied()
        .take_while(|byte| super::framing::is_token(*byte));
    match (token.count(), line) {
        (length, line) if length == line.len() && length < MAX_METHOD_SIZE => Detect::More,
        (MAX_METHOD_SIZE.., _) => Detect::Yes,
        (length @ 1.., line) if line[length].is_ascii_whitespace() => Detect::Yes,
        _ => Detect::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_detected_by_prefix_and_not_as_other_protocols() {
        for (first, expected) in [
            ("P", Detect::More),
            ("POST", Detect::More),
            ("POST /", Detect::Yes),
            ("get\t", Detect::Yes),
            ("\r\nGET ", Detect::Yes),
            ("\r", Detect::More),
            ("PRI", Detect::More),
            ("PRI * HTTP/2.0\r\n\r\nS", Detect::More),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detect::No),
            ("PRI * HTTP/2.0\r\n\r\nXX", Detect::Yes),
            ("PRI /", Detect::Yes),
            ("INVALID CONNECTION PREFACE\r\n\r\n", Detect::Yes),
            ("\u{16}\u{3}\u{1}", Detect::No),
            (" GET", Detect::No),
            ("{\"a\":", Detect::No),
            ("GET\u{1}", Detect::No),
            ("GET: what follows is the same", Detect::No),
        ] {
            assert_eq!(detect(first.as_bytes()), expected, "{first:?}");
        }
        assert_eq!(detect(&[0xfe, 1]), Detect::No);
        assert_eq!(detect(&[b'A'; 64]), Detect::Yes);
    }
}
