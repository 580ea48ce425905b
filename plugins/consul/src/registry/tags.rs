//! The tags of a Consul service in which go-micro keeps what Consul has no field for.
//!
//! A tag is a letter, a sign and a payload. The letter: `t` for a pair of metadata as a JSON object, `e` for an
//! endpoint's JSON, `v` for the version. The sign: `-` for the hexadecimal of a zlib stream, `=` for the bare payload,
//! as go-micro wrote before May 2016, each followed by its `-` twin; of a kind, the sign of its first tag counts.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
    sync::Arc,
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use micro_core::node::{Endpoint, Node};

/// Maximal inflated size of a tag, in bytes.
const MAX_TAG_SIZE: u64 = 64 * 1024;
/// Tags that are read of one record: each may need inflating.
const MAX_TAGS: usize = 4096;
/// Endpoint lists in the cache; nodes of one version share a list.
const MAX_CACHED_ENDPOINT_LISTS: usize = 64;

/// The content of the tags of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TagContent {
    pub(super) version: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) endpoints: Arc<[Endpoint]>,
}

/// Reads tags. Caches endpoint lists, as nodes of one version share them.
#[derive(Default)]
pub(super) struct Reader {
    endpoints: HashMap<String, Arc<[Endpoint]>>,
}

/// Encodes metadata, endpoints and version of a node as tags.
pub(super) fn write(node: &Node) -> Vec<String> {
    let mut tags = Vec::with_capacity(node.metadata.len() + node.endpoints.len() + 1);
    for pair in &*node.metadata {
        let pair = BTreeMap::from([pair]);
        tags.push(tag("t-", &json(&pair)));
    }
    for endpoint in node.endpoints.iter() {
        tags.push(tag("e-", &json(endpoint)));
    }
    tags.push(tag("v-", node.version.as_bytes()));
    tags
}

impl Reader {
    /// Decodes the tags of one record. Ignores foreign and damaged tags.
    pub(super) fn read(&mut self, tags: &[String]) -> TagContent {
        let mut of_endpoints = String::new();
        let mut said = TagContent::default();
        let mut signs = [None; 3];
        let mut versioned = false;
        for tag in tags.iter().take(MAX_TAGS) {
            let (kind, sign) = match tag.as_bytes() {
                [b't', sign @ (b'-' | b'='), ..] => (0, *sign),
                [b'e', sign @ (b'-' | b'='), ..] => (1, *sign),
                [b'v', sign @ (b'-' | b'='), ..] => (2, *sign),
                _ => continue,
            };
            if *signs[kind].get_or_insert(sign) != sign {
                continue;
            }
            match kind {
                0 => {
                    let pairs = payload(tag).and_then(|json| serde_json::from_slice(&json).ok());
                    let pairs: BTreeMap<String, String> = pairs.unwrap_or_default();
                    said.metadata.extend(pairs);
                }
                1 => {
                    of_endpoints.push_str(tag);
                    of_endpoints.push('\n');
                }
                _ if !versioned => {
                    let text = payload(tag).and_then(|text| String::from_utf8(text).ok());
                    versioned = text.is_some();
                    said.version = text.unwrap_or_default();
                }
                _ => {}
            }
        }
        if !of_endpoints.is_empty() {
            said.endpoints = self.endpoints(of_endpoints);
        }
        said
    }

    fn endpoints(&mut self, tags: String) -> Arc<[Endpoint]> {
        if let Some(known) = self.endpoints.get(&tags) {
            return known.clone();
        }
        let read = |tag| serde_json::from_slice(&payload(tag)?).ok();
        let endpoints: Arc<[Endpoint]> = tags.lines().filter_map(read).collect();
        if self.endpoints.len() >= MAX_CACHED_ENDPOINT_LISTS {
            self.endpoints.clear();
        }
        self.endpoints.insert(tags, endpoints.clone());
        endpoints
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text, lists and maps of text are always JSON")
}

fn tag(kind: &str, payload: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(payload).and_then(|()| encoder.finish());
    let packed = packed.expect("memory takes all that is written");
    let mut tag = String::with_capacity(kind.len() + 2 * packed.len());
    tag.push_str(kind);
    for byte in packed {
        for digit in [byte >> 4, byte & 15] {
            tag.push(char::from_digit(digit.into(), 16).expect("half a byte is a digit"));
        }
    }
    tag
}

fn payload(tag: &str) -> Option<Vec<u8>> {
    let rest = tag.get(2..)?;
    if tag.as_bytes()[1] == b'=' {
        return Some(rest.as_bytes().to_vec());
    }
    let digits = rest.as_bytes();
    if digits.len() % 2 != 0 || digits.len() as u64 > 4 * MAX_TAG_SIZE {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    let packed: Vec<u8> = digits.chunks_exact(2).map(byte).collect::<Option<_>>()?;
    let mut payload = Vec::new();
    let mut decoder = ZlibDecoder::new(&*packed).take(MAX_TAG_SIZE + 1);
    decoder.read_to_end(&mut payload).ok()?;
    (payload.len() as u64 <= MAX_TAG_SIZE).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &[&str]) -> TagContent {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Reader::default().read(&tags)
    }

    #[test]
    fn node_round_trips_through_tags() {
        let mut hello = Endpoint::new("Greeter.Hello");
        hello.metadata.insert("idempotent".into(), "true".into());
        let node = Node::new("greeter", "1", "h:1")
            .with_version("1.2.0 ü")
            .with_metadata("a.dotted/key", "west \"1\"\n")
            .with_metadata("", "")
            .with_endpoints([hello, Endpoint::new("Greeter.Bye")]);
        let said = Reader::default().read(&write(&node));
        assert_eq!(
            (said.version, Arc::new(said.metadata), said.endpoints),
            (node.version, node.metadata, node.endpoints)
        );
    }

    #[test]
    fn tags_of_other_zlib_encoders_are_read() {
        for tag in [
            "v-789c32d433d03300040000ffff02ce00ee",
            "v-789c33d433d033000002ce00ee",
        ] {
            assert_eq!(read(&[tag]).version, "1.0.0");
        }
        assert_eq!(
            read(&["v-789cca492c492d2e01040000ffff08cc028e"]).version,
            "latest"
        );
        let pair = read(&["t-789cab564acbcf57b2524a4a2c52aa05001d7a0434"]);
        assert_eq!(pair.metadata["foo"], "bar");
    }

    #[test]
    fn of_a_plain_tag_and_its_twin_the_first_counts() {
        let said = read(&[
            r#"e={"name":"A.B","request":null,"response":null,"metadata":null}"#,
            &tag("e-", br#"{"name":"A.B","metadata":{}}"#),
            "v=1",
            &tag("v-", b"2"),
        ]);
        assert_eq!(said.endpoints.len(), 1);
        assert_eq!(said.version, "1");
    }

    #[test]
    fn tags_of_others_and_damaged_ones_say_nothing_and_hide_nothing() {
        let said = read(&[
            "traefik.enable=true",
            "env-prod",
            "e",
            "t",
            "",
            "ü",
            "v",
            "t-zz",
            "t-789",
            "t-789c",
            "e-00",
            "t-ü",
            &tag("t-", br#"{"zone":"west"}"#),
            &tag("v-", b"1"),
        ]);
        assert_eq!(said.metadata["zone"], "west");
        assert_eq!((&*said.version, said.endpoints.len()), ("1", 0));
    }

    #[test]
    fn oversized_tags_are_ignored() {
        let bomb = tag(
            "t-",
            format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20)).as_bytes(),
        );
        assert!(bomb.len() < 4096, "it is small itself");
        assert!(read(&[&bomb]).metadata.is_empty());
    }
}
