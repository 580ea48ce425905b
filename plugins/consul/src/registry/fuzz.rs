//! What a stranger's record goes through, as a fuzz target sees it: the health of a service, and tags.

use super::{
    record::{Names, ServiceEntry},
    tags::Reader,
};
use micro_core::node::Node;

/// Reads bytes as the JSON of a service's health, and as the tags of one record, a line each. What was read reads the
/// same once we have written it.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn records(bytes: &[u8]) {
    let names = Names::default();
    let mut reader = Reader::default();
    if let Ok(entries) = serde_json::from_slice::<Vec<ServiceEntry>>(bytes) {
        let health = names.read("greeter", entries, &mut reader);
        for node in health.nodes.iter().chain(&health.expired) {
            again(&names, node, &mut reader);
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let tags: Vec<_> = text.lines().map(str::to_owned).collect();
    let said = reader.read(&tags);
    let mut node = Node::new("greeter", "greeter-1", "h:1").with_version(said.version);
    *node.metadata_mut() = said.metadata;
    node.endpoints = said.endpoints;
    again(&names, &node, &mut reader);
}

fn again(names: &Names, node: &Node, reader: &mut Reader) {
    let told = names.registration(node, None);
    let said = reader.read(&told.tags);
    assert_eq!(said.version, node.version);
    assert_eq!(said.metadata, *node.metadata);
    assert_eq!(said.endpoints, node.endpoints);
}

#[test]
fn odd_records_are_read_without_harm() {
    for bytes in [
        &b"t={\"a\":\"b\"}\nv=1\ne={\"name\":\"A.B\"}\nt-00"[..],
        br#"[{"Node":{"Node":"n","Address":"h"},"Service":{"ID":"","Port":-1,"Tags":["e","v=x"]}}]"#,
        b"\xff\xfe",
    ] {
        records(bytes);
    }
}
