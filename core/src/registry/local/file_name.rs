//! The file name of a record: `SERVICE+ID+SEQUENCE-NONCE.json`.
//!
//! Each registration has a name of its own that is never used again; only its own process replaces its
//! record. The last record of a node by name is the newest registration.

use std::{fmt::Write, time::SystemTime};

use crate::random::random;

/// The largest size of an encoded service or id; two of them and the rest stay below the usual 255.
const MAX_ENCODED: usize = 96;
/// How many bytes of a longer one stay readable, before its hash.
const KEPT: usize = 60;

const ENDING: &str = ".json";

/// The prefix of the records of `service`.
pub(super) fn service_prefix(service: &str) -> String {
    let mut prefix = part(service);
    prefix.push('+');
    prefix
}

/// The prefix of the records of one node.
pub(super) fn node_prefix(service: &str, id: &str) -> String {
    let mut prefix = service_prefix(service);
    prefix.push_str(&part(id));
    prefix.push('+');
    prefix
}

/// A new name for a record of a node, later than all names before it by this machine's clock.
pub(super) fn record(service: &str, id: &str) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let sequence = u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
    let prefix = node_prefix(service, id);
    format!("{prefix}{sequence:016x}-{:016x}{ENDING}", random())
}

/// A new name that readers ignore: for a record being written (`new`) or removed (`gone`).
pub(super) fn hidden(purpose: &str) -> String {
    format!(".{purpose}-{:016x}", random())
}

/// Whether a file with this name is a record being written or removed.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(".new-") || name.starts_with(".gone-")
}

/// Whether a file with this name may be a record. For a name that we did not make, the content decides.
pub(super) fn may_be_record(name: &str) -> bool {
    !name.starts_with('.') && name.ends_with(ENDING)
}

/// Whether a file with this name may be a record of the service of `prefix`.
pub(super) fn may_begin(name: &str, prefix: &str) -> bool {
    name.starts_with(prefix) || name.matches('+').count() != 2
}

/// Percent-encodes everything but lower-case letters, digits, `_`, `-` and inner dots, so that neither
/// slashes nor case-insensitive file systems confuse names. Too long a name ends in a hash instead.
fn part(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(byte.into()),
            b'.' if index > 0 => encoded.push('.'),
            _ => write!(encoded, "%{byte:02x}").expect("a string takes all"),
        }
    }
    if encoded.len() > MAX_ENCODED {
        encoded.truncate(KEPT);
        write!(encoded, "~{:032x}", hash(name)).expect("a string takes all");
    }
    encoded
}

/// FNV-1a of 128 bits, the same in every process and release.
/// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
fn hash(text: &str) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_stay_inside_the_directory() {
        let long = "x".repeat(400);
        let names = [
            "greeter", "Greeter", "a/b", "a.b", "a%2fb", "..", ".", "", ".a", "a+b", "topic:x", "ü",
        ];
        let longer = [format!("{long}1"), format!("{long}2")];
        let all: Vec<&str> = names
            .into_iter()
            .chain(longer.iter().map(|s| &**s))
            .collect();
        let mut seen = std::collections::HashSet::new();
        for service in &all {
            for id in &all {
                let prefix = node_prefix(service, id);
                assert!(
                    !prefix.contains('/') && !prefix.starts_with('.'),
                    "{prefix}"
                );
                assert!(prefix.bytes().filter(|byte| *byte == b'+').count() == 2);
                let name = record(service, id);
                assert!(name.len() <= 255 && may_be_record(&name), "{name}");
                assert!(may_begin(&name, &service_prefix(service)));
                assert!(seen.insert(prefix));
            }
        }
        assert_eq!(part("topic:x"), "topic%3ax");
    }

    #[test]
    fn later_records_sort_last() {
        let names: Vec<_> = (0..100).map(|_| record("greeter", "greeter-1")).collect();
        assert!(names.windows(2).all(|pair| pair[0][..36] <= pair[1][..36]));
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn hash_is_the_published_one() {
        assert_eq!(hash(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
