//! Arbitrary bytes as the beginning of a connection.

use super::Socket;
use crate::net::sniff::{Detection, MAX_DETECTION_BYTES, detect};

/// Detects the protocol from each prefix of some bytes: once a protocol is detected, more bytes must not change that.
/// Returns its name.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn sniff(bytes: &[u8]) -> Option<String> {
    let protocols = Socket::new().all_protocols();
    let mut before = Detection::Incomplete;
    for end in 0..=bytes.len().min(2 * MAX_DETECTION_BYTES) {
        let now = detect(&bytes[..end], &protocols);
        assert!(
            before == Detection::Incomplete || before == now,
            "{before:?} becomes {now:?}: {:?}",
            &bytes[..end]
        );
        before = now;
    }
    match before {
        Detection::Protocol(place) => Some(protocols[place].name().to_owned()),
        Detection::Incomplete | Detection::Unknown => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::random::Rng;
    use std::path::PathBuf;

    #[test]
    fn corpus_is_detected_the_same_in_any_portions() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/sniff");
        let rng = Rng::seeded(7);
        let mut files = 0;
        for file in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            sniff(&bytes);
            for _ in 0..500 {
                let mut near = bytes.clone();
                let at = rng.number() as usize % near.len();
                match rng.number() % 3 {
                    0 => near[at] = rng.number() as u8,
                    1 => near.insert(at, b"\r\n :A"[rng.number() as usize % 5]),
                    _ => drop(near.drain(..at)),
                }
                sniff(&near);
            }
            files += 1;
        }
        assert_eq!(files, 10);
    }

    #[test]
    fn unknown_bytes_are_no_protocol() {
        assert_eq!(sniff(b""), None);
        assert_eq!(sniff(b"\x16\x03\x01 a client's hello"), None);
        assert_eq!(sniff(b"{\"a\":1}"), None);
    }

    #[cfg(feature = "http")]
    #[test]
    fn http_1_is_distinguished_from_its_next_version() {
        let first = sniff(b"POST /greeter.Hello HTTP/1.1\r\n");
        assert!(first.is_some());
        assert_eq!(sniff(b"PROPFIND / HTTP/1.1\r\n"), first);
        assert_ne!(sniff(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), first);
    }
}
