//! [`Metadata`]: names and values beside a body, as one block of bytes.

use std::fmt;

/// Text values by name. Names are case-insensitive and keep their spelling; a name may occur twice.
///
/// One flat block of bytes, which is also its form on the native wire: building and reading six
/// entries costs a twentieth of a header map, and an empty one costs nothing.
///
/// ```
/// let mut metadata = micro::Metadata::new();
/// metadata.insert("Tenant", "acme");
/// assert_eq!(metadata.get("tenant"), Some("acme"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Entries, each: name length (u16, little endian), value length (u32), name, value; both UTF-8.
    #[allow(
        clippy::box_collection,
        reason = "most requests have none, and every request carries the field"
    )]
    block: Option<Box<Vec<u8>>>,
}

/// Bytes before each entry.
const LENGTHS: usize = 6;

/// Hop-by-hop names. With the prefix `X-` they are hop-by-hop, too.
const HOP_BY_HOP: [&str; 34] = [
    "origin",
    "sec-fetch-site",
    "content-type",
    "content-length",
    "accept",
    "accept-encoding",
    "user-agent",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "content-encoding",
    "upgrade",
    "transfer-encoding",
    "te",
    "trailer",
    "timeout",
    "local",
    "remote",
    ":path",
    ":method",
    "micro-id",
    "micro-service",
    "micro-method",
    "micro-endpoint",
    "micro-error",
    "micro-stream",
    "micro-topic",
    "micro-target",
    "micro-protocol",
    "grpc-web",
    "micro-to-service",
    "micro-to-node",
    "micro-from-service",
];

impl Metadata {
    /// Creates empty metadata, without an allocation.
    pub const fn new() -> Self {
        Metadata { block: None }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.as_block().is_empty()
    }

    /// Returns the first value of `name`, which is case-insensitive.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Sets the only value of `name`. A name longer than 65,535 bytes is left out.
    pub fn insert(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.append(name, value);
    }

    /// Adds an entry, beside those of the same name.
    pub fn append(&mut self, name: &str, value: &str) {
        let (Ok(name_length), Ok(value_length)) =
            (u16::try_from(name.len()), u32::try_from(value.len()))
        else {
            return;
        };
        let block = self.block.get_or_insert_default();
        block.reserve(LENGTHS + name.len() + value.len());
        block.extend_from_slice(&name_length.to_le_bytes());
        block.extend_from_slice(&value_length.to_le_bytes());
        block.extend_from_slice(name.as_bytes());
        block.extend_from_slice(value.as_bytes());
    }

    /// Removes every entry of `name`. Returns whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.retain(|other, _| !other.eq_ignore_ascii_case(name))
    }

    /// Iterates over names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.as_block();
        std::iter::from_fn(move || {
            let (name, value, after) = split(rest)?;
            rest = after;
            Some((name, value))
        })
    }

    /// Removes the entries for which `keep` returns `false`. Returns whether any was removed.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) -> bool {
        if self.iter().all(|(name, value)| keep(name, value)) {
            return false;
        }
        let mut kept = Metadata::new();
        for (name, value) in self.iter().filter(|(name, value)| keep(name, value)) {
            kept.append(name, value);
        }
        *self = kept;
        true
    }

    pub(crate) fn strip_hop_by_hop(&mut self) {
        self.retain(|name, _| {
            let bare = match name.split_at_checked(2) {
                Some((x, rest)) if x.eq_ignore_ascii_case("x-") => rest,
                _ => name,
            };
            !HOP_BY_HOP.iter().any(|hop| hop.eq_ignore_ascii_case(bare))
        });
    }

    /// The block of bytes, as the native protocol sends it.
    pub(crate) fn as_block(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| block.as_slice())
    }

    /// Reads a received block; `None` if it is damaged.
    pub(crate) fn from_block(block: &[u8]) -> Option<Self> {
        let mut rest = block;
        while !rest.is_empty() {
            (_, _, rest) = split(rest)?;
        }
        Some(Metadata {
            block: (!block.is_empty()).then(|| Box::new(block.to_vec())),
        })
    }
}

/// The first entry of a block, and what follows it; `None` at the end, or if the block is damaged.
fn split(block: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (name_length, rest) = block.split_first_chunk::<2>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*name_length).into())?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    let name = std::str::from_utf8(name).ok()?;
    let value = std::str::from_utf8(value).ok()?;
    Some((name, value, rest))
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(entries: I) -> Self {
        let mut metadata = Metadata::new();
        for (name, value) in entries {
            metadata.append(name, value);
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_keep_their_spelling() {
        let mut metadata = Metadata::new();
        metadata.insert("Tenant", "a");
        metadata.insert("tenant", "b");
        metadata.append("TENANT", "c");
        let entries: Vec<_> = metadata.iter().collect();
        assert_eq!(entries, [("tenant", "b"), ("TENANT", "c")]);
    }

    #[test]
    fn damaged_block_is_refused() {
        let good = Metadata::from_iter([("a", "1"), ("b", "")]);
        let block = good.as_block();
        assert_eq!(Metadata::from_block(block), Some(good.clone()));
        assert_eq!(Metadata::from_block(&block[..block.len() - 1]), None);
        assert_eq!(Metadata::from_block(&[1, 0, 0, 0, 0, 0, 0xff]), None);
    }
}
